INSERT INTO messages VALUES (1, 7, 'a', 's'), (2, 7, NULL, 's'), (3, 7, repeat('a', 3000), 's');
UPDATE messages SET content = 'b', secret = 't' WHERE id = 1;
UPDATE messages SET id = 4 WHERE id = 2;
UPDATE messages SET content = repeat('b', 3000), id = 5 WHERE id = 1;
UPDATE messages SET topic_id = 8;
DELETE FROM messages;

INSERT INTO archive.messages VALUES (1, 7, 'a');
UPDATE archive.messages SET content = NULL, id = 2;
UPDATE archive.messages SET content = repeat('b', 40000);
DELETE FROM archive.messages;
INSERT INTO archive.mails VALUES (NULL, 1, 'a'), ('t', 2, repeat('a', 3000));
UPDATE archive.mails SET subject = 'b', id = 3, topic_id = 'u' WHERE id = 1;
UPDATE archive.mails SET subject = repeat('b', 3000) WHERE id = 3;
UPDATE archive.mails SET subject = 'c' WHERE id = 2;
DELETE FROM archive.mails;

INSERT INTO memberships VALUES (1, 'p', 'r'), (2, 'q', repeat('a', 3000));
UPDATE memberships SET role = role WHERE user_id = 1;
UPDATE memberships SET role = 'o', project = 'o' WHERE user_id = 1;
UPDATE memberships SET role = repeat('b', 3000), user_id = 3 WHERE user_id = 2;
DELETE FROM memberships;
INSERT INTO memberships VALUES (2, repeat('p', 1900), 'r');
UPDATE memberships SET user_id = 4;
DELETE FROM memberships;

INSERT INTO notes VALUES (NULL, 'a'), ('x', repeat('a', 3000));
UPDATE notes SET room = 'y';
UPDATE notes SET body = 'b', room = NULL;
DELETE FROM notes;
INSERT INTO notes VALUES (repeat('x', 1900), 'a');
DELETE FROM notes;

INSERT INTO blips VALUES (1);
UPDATE blips SET n = 2;
DELETE FROM blips;

INSERT INTO tagged VALUES ('{a}', '{{1}}', 'a'), (array[repeat('b', 2000)], '{{1,2},{3,4}}', repeat('b', 3000));
UPDATE tagged SET grid = '{{5}}', body = 'c';
UPDATE tagged SET tags = tags || '{c}', grid = '{}';
UPDATE tagged SET grid = '{{1}}', body = repeat('d', 3000);
DELETE FROM tagged;

INSERT INTO proposals VALUES (1, NULL, DEFAULT, NULL, NULL), (2, 7, 'pending', repeat('e', 3000), '{r}');
UPDATE proposals SET status = 'approved', reasons = '{NULL,r}';
UPDATE proposals SET error = 'f';
DELETE FROM proposals;
INSERT INTO proposals VALUES (3, NULL, 'approved');
DELETE FROM proposals;

INSERT INTO series VALUES (1, 'a');
UPDATE series SET "at`" = 'b';
UPDATE series SET "at`" = repeat('c', 40000);
DELETE FROM series;

INSERT INTO quiet VALUES (1);
