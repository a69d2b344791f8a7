package bridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
)

// typedColumn is a column of the test's table.
type typedColumn struct {
	name    string
	sql     string // its type
	typ     *pglisten.Type
	literal string
	want    string // its value on the wire; "" where that hangs on the session's settings
}

// everyColumn is a table of all kinds of types that row_to_json writes in ways
// of their own.
func everyColumn() []typedColumn {
	part := compositeOf(
		pglisten.Column{Name: "n", Type: exactType},
		pglisten.Column{Name: "At", Type: timeType},
		pglisten.Column{Name: `b"\`, Type: byteType},
		pglisten.Column{Name: "tags", Type: arrayOf(textType)},
	)
	wirePart := `{"n":"7","At":"2026-11-23T00:42:55.278Z","b\"\\":"AP8=","tags":["a","\"b\""]}`
	partLiteral := `row(7, '2026-11-23 00:42:55.278Z', '\x00ff', '{a,"\"b\""}')::part`
	return []typedColumn{
		{"id", "bigint primary key", exactType, "1", `"1"`},
		{"i2", "int2", numType, "-3", `-3`},
		{"i4", "int4", numType, "2147483647", `2147483647`},
		{"i8", "int8", exactType, "9223372036854775807", `"9223372036854775807"`},
		{"num", "numeric", exactType, "12345678901234567890.10", `"12345678901234567890.10"`},
		{"num_nan", "numeric", exactType, "'NaN'", `"NaN"`},
		{"cash", "money", exactType, "1234.5", ``},
		{"f4", "float4", numType, "1.5", `1.5`},
		{"f8", "float8", numType, "1e300", `1e+300`},
		{"f8_third", "float8", numType, "1/3.0", ``},
		{"f8_nan", "float8", numType, "'NaN'", `"NaN"`},
		{"f8_inf", "float8", numType, "'-Infinity'", `"-Infinity"`},
		{"f8_zero", "float8", numType, "'-0'", `-0`},
		{"yes", "bool", boolType, "true", `true`},
		{"js", "json", jsonType, "E'{\"a\" : \\n[1, 2], \"a\": \"\\\\u0000\", \"n\": 1e999999}'", `{"a":[1,2],"a":"\u0000","n":1e999999}`},
		{"js_text", "json", jsonType, `'"a  b"'`, `"a  b"`},
		{"jb", "jsonb", jsonType, `'{"b": 12345678901234567890123, "a": [null, "x y"]}'`, `{"a":[null,"x y"],"b":12345678901234567890123}`},
		{"tz", "timestamptz", timeType, "'2026-11-23 00:42:55.278Z'", `"2026-11-23T00:42:55.278Z"`},
		{"tz_micros", "timestamptz", timeType, "'2026-11-23 23:59:59.999999Z'", `"2026-11-23T23:59:59.999999Z"`},
		{"tz_monrovia", "timestamptz", timeType, "'1960-01-01 00:00:00Z'", `"1960-01-01T00:00:00Z"`},
		{"tz_old", "timestamptz", timeType, "'1700-03-01 00:00:00Z'", `"1700-03-01T00:00:00Z"`},
		{"tz_far", "timestamptz", timeType, "'12026-01-01 00:00:00Z'", `"12026-01-01T00:00:00Z"`},
		{"tz_inf", "timestamptz", timeType, "'infinity'", `"infinity"`},
		{"tz_minus_inf", "timestamptz", timeType, "'-infinity'", `"-infinity"`},
		{"tz_bc", "timestamptz", timeType, "'0044-03-15 12:00:00Z BC'", ``},
		{"tz3", "timestamptz(3)", timeType, "'2026-11-23 00:42:55.1Z'", `"2026-11-23T00:42:55.1Z"`},
		{"ts", "timestamp", textType, "'2026-11-23 00:42:55.278'", `"2026-11-23T00:42:55.278"`},
		{"d", "date", textType, "'2026-11-23'", `"2026-11-23"`},
		{"t", "time", textType, "'24:00'", `"24:00:00"`},
		{"iv", "interval", textType, "'1 month 2 days 3 hours'", ``},
		{"bin", "bytea", byteType, `'\x00ff105c22'`, `"AP8QXCI="`},
		{"bin_empty", "bytea", byteType, `''`, `""`},
		{"bin_text", "bytea", byteType, `'plain \\x41'`, `"cGxhaW4gXHg0MQ=="`},
		{"bin_long", "bytea", byteType, `decode(repeat('00', 97), 'hex')`, `"` + strings.Repeat("A", 130) + `=="`},
		{"txt", "text", textType, `E'a\t\n\r"\\\x01\x7f é <&> 😀'`, `"a\t\n\r\"\\\u0001` + "\x7f" + ` é <&> 😀"`},
		{"ch", "char(5)", textType, "'ab'", `"ab   "`},
		{"one", `"char"`, textType, "'x'", `"x"`},
		{"no", "int4", numType, "null", `null`},
		{"u", "uuid", textType, "'0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1'", `"0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1"`},
		{"ip", "inet", textType, "'10.0.0.1/8'", `"10.0.0.1/8"`},
		{"pt", "point", textType, "'(1,2)'", `"(1,2)"`},
		{"rng", "int8range", textType, "'[1,5)'", `"[1,5)"`},
		{"bits", "bit(4)", textType, "'1010'", `"1010"`},
		{"obj", "oid", textType, "42", `"42"`},
		{"mood", "mood", textType, "'so la la'", `"so la la"`},
		{"amount", "amount", exactType, "5", `"5"`},
		{"moment", "moment", timeType, "'2026-11-23 00:00:00Z'", `"2026-11-23T00:00:00Z"`},
		{"a_i8", "int8[]", arrayOf(exactType), "'{1,NULL,-3}'", `["1",null,"-3"]`},
		{"a_i8_2d", "int8[][]", arrayOf(exactType), "'{{1,2},{3,NULL}}'", `[["1","2"],["3",null]]`},
		{"a_bounds", "int4[]", arrayOf(numType), "'[5:6]={1,2}'", `[1,2]`},
		{"a_empty", "int8[]", arrayOf(exactType), "'{}'", `[]`},
		{"a_tz", "timestamptz[]", arrayOf(timeType), "'{2026-11-23 00:00:00Z,infinity}'", `["2026-11-23T00:00:00Z","infinity"]`},
		{"a_bin", "bytea[]", arrayOf(byteType), `array['\x00ff'::bytea, null]`, `["AP8=",null]`},
		{"a_js", "json[]", arrayOf(jsonType), `array['[1, 2]'::json, '{"a": 1}']`, `[[1,2],{"a":1}]`},
		{"a_txt", "text[]", arrayOf(textType), `array['a,b', '"', null]`, `["a,b","\"",null]`},
		{"a_amount", "amount[]", arrayOf(exactType), `array[1, 2]::amount[]`, `["1","2"]`},
		{"pair", "pair", arrayOf(exactType), `'{1,2}'`, `["1","2"]`},
		{"a_pair", "pair[]", arrayOf(arrayOf(exactType)), `array['{1,2}'::pair]`, `[["1","2"]]`},
		{"c", "part", part, partLiteral, wirePart},
		{"c_null", "part", part, "row(null, null, null, null)::part", `{"n":null,"At":null,"b\"\\":null,"tags":null}`},
		{"a_c", "part[]", arrayOf(part), "array[" + partLiteral + ", null]", "[" + wirePart + ",null]"},
		{"nested", "whole", compositeOf(pglisten.Column{Name: "parts", Type: arrayOf(part)}), "row(array[" + partLiteral + "])::whole", `{"parts":[` + wirePart + `]}`},
		{`we"ird\ näme {}`, "int8", exactType, "1", `"1"`},
	}
}

const everyColumnTypes = `
CREATE TYPE mood AS ENUM ('so la la');
CREATE DOMAIN amount AS int8;
CREATE DOMAIN moment AS timestamptz;
CREATE DOMAIN pair AS int8[];
CREATE TYPE part AS (n int8, "At" timestamptz, "b""\" bytea, tags text[]);
CREATE TYPE whole AS (parts part[]);
`

// TestValuesOfPostgres translates what row_to_json writes in sessions of all
// kinds: a client sees the same.
func TestValuesOfPostgres(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	columns := everyColumn()
	w := &pglisten.Watch{ID: 1, Schema: "public", Table: "things", Entity: "thing", Key: []string{"id"}, Templates: []string{"things"}}
	var definitions, literals []string
	for _, c := range columns {
		w.Columns = append(w.Columns, pglisten.Column{Name: c.name, Type: c.typ})
		definitions = append(definitions, pgx.Identifier{c.name}.Sanitize()+" "+c.sql)
		literals = append(literals, c.literal)
	}
	execute(t, conn, everyColumnTypes)
	execute(t, conn, "CREATE TABLE things ("+strings.Join(definitions, ", ")+")")
	execute(t, conn, "INSERT INTO things VALUES ("+strings.Join(literals, ", ")+")")

	for _, settings := range []string{
		"",
		"bytea_output = escape",
		"TimeZone = 'Asia/Kathmandu'",
		"TimeZone = 'America/St_Johns'",
		"TimeZone = 'Africa/Monrovia'", // -00:44:30 until 1972
		"TimeZone = 'Europe/Amsterdam'",
		"TimeZone = '-13'",
		"extra_float_digits = 0",
		"extra_float_digits = -1",
		"IntervalStyle = iso_8601",
		"DateStyle = 'SQL, DMY'",
		"DateStyle = 'German'",
		"lc_monetary = 'C'; xmlbinary = hex; bytea_output = escape; TimeZone = 'Pacific/Apia'; DateStyle = 'Postgres, MDY'",
	} {
		execute(t, conn, "RESET ALL")
		for setting := range strings.SplitSeq(settings, ";") {
			if setting != "" {
				execute(t, conn, "SET "+setting)
			}
		}
		for _, ask := range []string{
			"SELECT row_to_json(things.*)::text FROM things",
			"SELECT row_to_json(things.*, true)::text FROM things",
		} {
			rows, err := conn.Query(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range texts {
				checkRow(t, settings, w, columns, text)
			}
		}
	}
}

// checkRow compares a translated row with what every client must see.
func checkRow(t *testing.T, settings string, w *pglisten.Watch, columns []typedColumn, text string) {
	t.Helper()
	items := translated(t, changeOf(w, pglisten.Insert, text, ""), 0)
	var e struct {
		Payload struct{ Thing map[string]json.RawMessage }
	}
	checkItem(t, items[0])
	if err := json.Unmarshal(items[0].Data, &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Payload.Thing) != len(columns) {
		t.Errorf("%q: %d columns, want %d", settings, len(e.Payload.Thing), len(columns))
	}
	for _, c := range columns {
		got := string(e.Payload.Thing[c.name])
		if c.want != "" && got != c.want {
			t.Errorf("%q: %s is %s, want %s", settings, c.name, got, c.want)
		}
	}
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(fmt.Errorf("%.200s: %w", sql, err))
	}
}
