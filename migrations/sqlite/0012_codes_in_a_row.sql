-- Wrong codes in a row, whatever window they fell into, and when the last one came.
ALTER TABLE second_factor_failures ADD COLUMN in_a_row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE second_factor_failures ADD COLUMN last_at INTEGER NOT NULL DEFAULT 0;
