-- Names that mean something in TypeScript, or nothing but trouble.

CREATE SCHEMA "a*/b";
CREATE TABLE "a*/b"."new
line" ("a`b" int, "x'y" int, "$" int, "*/" int, "back\slash" int, "new
line" int, "назва" text, "__proto__" int, "constructor" int, "class" int, "${x}" int, "😀" int NOT NULL,
    PRIMARY KEY ("x'y", "a`b", "back\slash", "new
line"));
SELECT rowcast.watch('"a*/b"."new
line"', '$', topics => array['t_{a`b}_{$}', 'all'], entity => 'class', max_bytes => 500, derive => '[
    {"type": "function", "on": "insert", "fields": {"*/": "*/", "-": "x''y", "__proto__": "class", "new": "😀"}}]');

-- Entities whose interfaces would have one name, or the name of something else.
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, v json);
CREATE TABLE d (id int PRIMARY KEY);
SELECT rowcast.watch('a', topics => '{all}', entity => 'run_1', ops => '{insert}'),
       rowcast.watch('b', topics => '{all}', entity => 'run1', ops => '{insert}'),
       rowcast.watch('c', topics => '{all}', entity => 'json', ops => '{insert}', max_bytes => 500),
       rowcast.watch('d', topics => '{all}', entity => 'events', ops => '{insert}');
