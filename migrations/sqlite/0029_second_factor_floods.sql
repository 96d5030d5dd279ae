-- Wrong codes of each account in its present window, apart for sign-ins and sessions, until the log has their number.
CREATE TABLE second_factor_floods (
    user_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    window_began INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    is_announced INTEGER NOT NULL,
    PRIMARY KEY (user_id, stage)
);
