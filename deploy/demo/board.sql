-- What the page of "everywrite up --page" shows once per region.
CREATE TABLE board (
  id integer PRIMARY KEY,
  body text NOT NULL DEFAULT '',
  votes integer NOT NULL DEFAULT 0
);
COMMENT ON COLUMN board.body IS '@everywrite text';
COMMENT ON COLUMN board.votes IS '@everywrite counter';
INSERT INTO board VALUES (1, 'Type here, in any region.', 0);
