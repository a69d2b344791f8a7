INSERT INTO "a*/b"."new
line" VALUES (1, 2, 3, 4, 5, 6, 'сім', 8, 9, 10, 11, 12);
UPDATE "a*/b"."new
line" SET "$" = NULL, "назва" = NULL;
UPDATE "a*/b"."new
line" SET "назва" = repeat('вісім', 1000);
INSERT INTO "a*/b"."new
line" VALUES (1, 3, 3, 4, 5, 6, repeat('сім', 1000), 8, 9, 10, 11, 12);
DELETE FROM "a*/b"."new
line";
INSERT INTO a VALUES (1);
INSERT INTO b VALUES (1);
INSERT INTO c VALUES (1, '[{"a": null}]');
INSERT INTO c VALUES (2, to_json(repeat('a', 1000)));
INSERT INTO d VALUES (1);
