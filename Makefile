# Gatelog. `make run` runs everything at http://127.0.0.1:8080; `make test` passes every test.
export CARGO_INCREMENTAL := 0

.DEFAULT_GOAL := help
.PHONY: help run demo test check bench chaos soak setup

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Set up, build and run the server, the media worker and the web application (PROFILE=dev builds faster)
	@scripts/run

demo: ## Tell the main job line by line, against the running server
	@scripts/demo

test: ## Set up and run every test, on SQLite and on a real PostgreSQL
	scripts/setup test
	scripts/web
	cd web && npm test --silent
	cd tests/browser && npm ci --no-audit --no-fund --silent
	cd tests/uploads && npm ci --no-audit --no-fund --silent
	cargo build --locked --workspace --bins
	cargo nextest run --locked --workspace --no-fail-fast

check: ## Formatting, lints, the web application's lints, and licences where cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	scripts/web
	cd web && npm run --silent lint
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: licences and sources were not checked"; fi

bench: ## Measure against named baselines; the results are in bench/results
	scripts/setup bench
	cargo build --locked --release -p gatelog -p media-worker --bins
	cargo run --locked --release -p gatelog-bench -- log
	cargo run --locked --release -p gatelog-bench -- verify
	cargo run --locked --release -p gatelog-bench -- sign-in
	cargo run --locked --release -p gatelog-bench -- export
	cargo run --locked --release -p gatelog-bench -- snapshots
	cargo run --locked --release -p gatelog-bench -- rebuild
	cargo run --locked --release -p gatelog-bench -- upload
	cargo run --locked --release -p gatelog-bench -- jobs
	cargo run --locked --release -p gatelog-bench -- sandbox

chaos: ## Kill server, PostgreSQL and archiving 200 times on each engine, verify the log after each, and guess 10,000 times
	scripts/setup test
	cargo build --locked --workspace --bins
	CHAOS_ROUNDS=200 cargo nextest run --locked --workspace --test chaos
	FLOOD_FAILURES=10000 cargo nextest run --locked --workspace --test throttle flood_of_failures

soak: ## A million events on each engine (CONSUMERS_ENGINE=sqlite or postgres: on one), eight writers and eight consumers
	scripts/setup test
	CONSUMERS_EVENTS=1000000 cargo nextest run --locked --release --workspace --test consumers --success-output final

setup: ## Install what is missing
	scripts/setup test
