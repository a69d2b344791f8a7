package bridge

import (
	"encoding/json"
	"strings"
	"testing"

	"rowcast/pglisten"
)

var (
	textType  = &pglisten.Type{Kind: pglisten.Text, Name: "text"}
	numType   = &pglisten.Type{Kind: pglisten.Number, Name: "double precision"}
	exactType = &pglisten.Type{Kind: pglisten.Exact, Name: "bigint"}
	boolType  = &pglisten.Type{Kind: pglisten.Bool, Name: "boolean"}
	jsonType  = &pglisten.Type{Kind: pglisten.JSON, Name: "json"}
	timeType  = &pglisten.Type{Kind: pglisten.Timestamp, Name: "timestamp with time zone"}
	byteType  = &pglisten.Type{Kind: pglisten.Bytes, Name: "bytea"}
)

func arrayOf(t *pglisten.Type) *pglisten.Type {
	return &pglisten.Type{Kind: pglisten.Array, Name: t.Name + "[]", Elem: t}
}

func compositeOf(fields ...pglisten.Column) *pglisten.Type {
	return &pglisten.Type{Kind: pglisten.Composite, Name: "composite", Fields: fields}
}

func TestAppendValue(t *testing.T) {
	t.Parallel()
	pair := compositeOf(
		pglisten.Column{Name: "n", Type: exactType},
		pglisten.Column{Name: `na"me`, Type: arrayOf(timeType)},
		pglisten.Column{Name: "in", Type: compositeOf(pglisten.Column{Name: "b", Type: byteType})},
	)
	for _, tt := range []struct {
		name        string
		typ         *pglisten.Type
		value, want string
	}{
		{"text", textType, `"hi \"you\"\n\u0001"`, `"hi \"you\"\n\u0001"`},
		{"text_null", textType, `null`, `null`},
		{"text_was_number", textType, `1.50`, `"1.50"`},
		{"text_was_json", textType, `{"a": "b"}`, `"{\"a\":\"b\"}"`},
		{"int4", numType, `-7`, `-7`},
		{"float", numType, `1e+300`, `1e+300`},
		{"float_nan", numType, `"NaN"`, `"NaN"`},
		{"float_infinity", numType, `"-Infinity"`, `"-Infinity"`},
		{"int4_of_a_cut_row", numType, `"42"`, `42`},
		{"number_was_text", numType, `"4 2"`, `"4 2"`},
		{"number_was_empty_text", numType, `""`, `""`},
		{"number_was_text_null", numType, `"null"`, `"null"`},
		{"number_was_array", numType, `[1, 2]`, `[1,2]`},
		{"int8", exactType, `9223372036854775807`, `"9223372036854775807"`},
		{"numeric", exactType, `0.10`, `"0.10"`},
		{"numeric_nan", exactType, `"NaN"`, `"NaN"`},
		{"money", exactType, `"-$1,234.50"`, `"-$1,234.50"`},
		{"bool", boolType, `true`, `true`},
		{"bool_of_a_cut_row", boolType, `"false"`, `false`},
		{"json", jsonType, "{ \"a\" : [1,\n 2.0 , \"x y\"] ,\r\n\"a\":\t\"\\u0000\" }", `{"a":[1,2.0,"x y"],"a":"\u0000"}`},
		{"json_huge_number", jsonType, `1e999999`, `1e999999`},
		{"json_string", jsonType, `"a  b"`, `"a  b"`},
		{"json_null", jsonType, `null`, `null`},
		{"timestamptz", timeType, `"2026-11-23T00:42:55.278+00:00"`, `"2026-11-23T00:42:55.278Z"`},
		{"timestamptz_east", timeType, `"2026-11-23T00:42:55+05:45"`, `"2026-11-22T18:57:55Z"`},
		{"timestamptz_west", timeType, `"2026-12-31T23:30:00.000001-03:30"`, `"2027-01-01T03:00:00.000001Z"`},
		{"timestamptz_amsterdam_1800", timeType, `"1800-01-01T00:00:00+00:53:28"`, `"1799-12-31T23:06:32Z"`},
		{"timestamptz_leap_day", timeType, `"2024-03-01T00:30:00+01:00"`, `"2024-02-29T23:30:00Z"`},
		{"timestamptz_no_such_day", timeType, `"2026-02-30T00:00:00+00:00"`, `"2026-03-02T00:00:00Z"`},
		{"timestamptz_last_of_month", timeType, `"2026-10-31T00:42:55.278+00"`, `"2026-10-31T00:42:55.278Z"`},
		{"timestamptz_year_0", timeType, `"0000-02-03T00:00:00+00:00"`, `"0000-02-03T00:00:00+00:00"`},
		{"timestamptz_far_utc", timeType, `"12026-11-23T00:42:55.278+00:00"`, `"12026-11-23T00:42:55.278Z"`},
		{"timestamptz_of_a_cut_row_utc", timeType, `"2026-11-23 00:42:55.278+00"`, `"2026-11-23T00:42:55.278Z"`},
		{"timestamptz_infinity", timeType, `"infinity"`, `"infinity"`},
		{"timestamptz_minus_infinity", timeType, `"-infinity"`, `"-infinity"`},
		{"timestamptz_bc", timeType, `"0044-03-15T12:00:00+00:00 BC"`, `"0044-03-15T12:00:00+00:00 BC"`},
		{"timestamptz_into_bc", timeType, `"0001-01-01T00:00:00+01:00"`, `"0001-01-01T00:00:00+01:00"`},
		{"timestamptz_far", timeType, `"294276-12-31T23:59:59.999999-01:00"`, `"294277-01-01T00:59:59.999999Z"`},
		{"timestamptz_of_a_cut_row", timeType, `"2026-11-23 01:42:55.278+01"`, `"2026-11-23T00:42:55.278Z"`},
		{"timestamptz_other_style", timeType, `"Mon 23 Nov 01:42:55.278 2026 CET"`, `"Mon 23 Nov 01:42:55.278 2026 CET"`},
		{"timestamptz_was_text", timeType, `"2026-99-99T00:00:00+00"`, `"2026-99-99T00:00:00+00"`},
		{"timestamptz_was_number", timeType, `12`, `12`},
		{"bytea_hex", byteType, `"\\x00ff10"`, `"AP8Q"`},
		{"bytea_hex_padded", byteType, `"\\x00ff"`, `"AP8="`},
		{"bytea_hex_empty", byteType, `"\\x"`, `""`},
		{"bytea_hex_long", byteType, `"\\x` + strings.Repeat("00", 97) + `"`, `"` + strings.Repeat("A", 130) + `=="`},
		{"bytea_escape", byteType, `"a\\000\\377\\\\x\"b"`, `"YQD/XHgiYg=="`},
		{"bytea_escape_empty", byteType, `""`, `""`},
		{"bytea_was_text", byteType, `"a\\9"`, `"a\\9"`},
		{"bytea_odd", byteType, `"\\x123"`, `"\\x123"`},
		{"bytea_was_array", byteType, `[ 1 ]`, `[1]`},
		{"array_int8", arrayOf(exactType), `[1,null,-3]`, `["1",null,"-3"]`},
		{"array_empty", arrayOf(exactType), `[]`, `[]`},
		{"array_of_two_dimensions", arrayOf(exactType), `[[1,2],[3,4]]`, `[["1","2"],["3","4"]]`},
		{"array_of_six_dimensions", arrayOf(exactType), `[[[[[[1]]]]]]`, `[[[[[["1"]]]]]]`},
		{"array_was_json", arrayOf(exactType), `[[[[[[[ 1 ]]]]]]]`, `[[[[[["[1]"]]]]]]`},
		{"array_of_domain_over_array", arrayOf(arrayOf(exactType)), `[[1],[2]]`, `[["1"],["2"]]`},
		{"array_json", arrayOf(jsonType), `[[1, 2],{"a": 9007199254740993}]`, `[[1,2],{"a":9007199254740993}]`},
		{"array_bytea", arrayOf(byteType), `["\\x00"]`, `["AA=="]`},
		{"array_of_a_cut_row", arrayOf(exactType), `"{1,2}"`, `"{1,2}"`},
		{"array_without_element_type", &pglisten.Type{Kind: pglisten.Array}, `[1, [2]]`, `[1,[2]]`},
		{
			"composite", pair,
			`{"n":1,"na\"me":["2026-11-23T01:00:00+01:00"],"gone":7,"in":{"b":"\\x00"}}`,
			`{"n":"1","na\"me":["2026-11-23T00:00:00Z"],"in":{"b":"AA=="}}`,
		},
		{"composite_null", pair, `null`, `null`},
		{"composite_other_order", pair, `{"in": null, "n": null}`, `{"in":null,"n":null}`},
		{"composite_was_text", pair, `"(1,2)"`, `"(1,2)"`},
		{"array_composite", arrayOf(pair), `[{"n":5},null]`, `[{"n":"5"},null]`},
		{"no_type", nil, `{"a": 1}`, `{"a":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !json.Valid([]byte(tt.value)) {
				t.Fatal("the test's value is no JSON")
			}
			if got := string(appendValue([]byte("x"), []byte(tt.value), tt.typ)); got != "x"+tt.want {
				t.Errorf("got %s, want x%s", got, tt.want)
			}
		})
	}
}

func TestAppendQuoted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ               *pglisten.Type
		value, want, text string
	}{
		{exactType, `7`, `"7"`, `7`},
		{numType, `7`, `"7"`, `7`},
		{boolType, `true`, `"true"`, `true`},
		{textType, `"a\"\u0041\ud83d\ude00\ud83d"`, `"a\"\u0041\ud83d\ude00\ud83d"`, "a\"A\U0001F600\uFFFD"},
		{timeType, `"2026-11-23T01:00:00+01:00"`, `"2026-11-23T00:00:00Z"`, `2026-11-23T00:00:00Z`},
		{jsonType, `{"a": "b"}`, `"{\"a\":\"b\"}"`, `{"a":"b"}`},
		{nil, `-1.5`, `"-1.5"`, `-1.5`},
	} {
		if got := string(appendQuoted([]byte("x"), []byte(tt.value), tt.typ)); got != "x"+tt.want {
			t.Errorf("quoted %s: got %s, want x%s", tt.value, got, tt.want)
		}
		if got := string(appendText([]byte("x"), []byte(tt.value), tt.typ)); got != "x"+tt.text {
			t.Errorf("text of %s: got %s, want x%s", tt.value, got, tt.text)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"short", `"abc"`, `"abc"`},
		{"characters", `"` + strings.Repeat("é", cutAt+1) + `"`, `"` + strings.Repeat("é", cutAt) + `"`},
		{"escapes", `"` + strings.Repeat(`\n`, cutAt+1) + `"`, `"` + strings.Repeat(`\n`, cutAt) + `"`},
		{"escapes_that_fit", `"` + strings.Repeat(`\n`, cutAt) + `"`, `"` + strings.Repeat(`\n`, cutAt) + `"`},
		{"array", `[` + strings.Repeat(`"`, cutAt) + `]`, `"[` + strings.Repeat(`\"`, cutAt-1) + `"`},
	} {
		if got := string(cut([]byte("x"+tt.value), 1)); got != "x"+tt.want {
			t.Errorf("%s: got %.40s … (%d bytes)", tt.name, got, len(got))
		}
	}
}
