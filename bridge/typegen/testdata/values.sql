-- A column of every kind of type.

CREATE TYPE mood AS ENUM ('sad', 'so la la', 'it''s "fine" \', '`${x}`');
CREATE DOMAIN amount AS bigint;
CREATE DOMAIN sure AS text NOT NULL;
CREATE DOMAIN surer AS sure;
CREATE DOMAIN grid AS int8[][];
CREATE TYPE part AS (n int8, "At" timestamptz, "b""\" bytea, tags text[], sure sure, mood mood);
CREATE TYPE whole AS (name text, parts part[]);
CREATE DOMAIN some_part AS part;
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE seam (n int NOT NULL, f real);
CREATE TYPE tag AS ENUM ('a');
CREATE FUNCTION tag_json(tag) RETURNS json LANGUAGE sql AS $$ SELECT '{}'::json $$;
CREATE CAST (tag AS json) WITH FUNCTION tag_json(tag);

CREATE TABLE things (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    i2       int2 NOT NULL, i4 int4, i8 int8, num numeric, cash money, obj oid, lsn pg_lsn,
    f4       float4, f8 float8 NOT NULL,
    yes      bool NOT NULL, perhaps bool,
    js       json, jb jsonb NOT NULL,
    tz       timestamptz NOT NULL, tz3 timestamptz(3), ts timestamp, d date, t time, ttz timetz, iv interval,
    bin      bytea,
    txt      text NOT NULL, vc varchar(10), ch char(5), one "char", nm name, x xml, u uuid,
    ip       inet, net cidr, mac macaddr, b bit(4), vb varbit,
    pt       point, bx box, rng int8range, own_rng span, tsv tsvector, path jsonpath, reg regclass,
    mood     mood NOT NULL, mood_null mood, tag tag, tags tag[],
    amount   amount NOT NULL, sure sure, surer surer,
    a_i8     int8[], a_2d int4[][], a_f float8[] NOT NULL, a_txt text[], a_mood mood[], a_js jsonb[], a_tz timestamptz[], a_yes bool[],
    grid     grid, a_grid grid[], a_amount amount[],
    part     part, a_part part[], whole whole, some_part some_part, seam seam,
    doubled  int8 GENERATED ALWAYS AS (i2 * 2::int8) STORED,
    "Größe"  int, "a b" int, "1st" int, "type" int
);

SELECT rowcast.watch('things');
