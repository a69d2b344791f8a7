package bridge

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// likePairs are values one of which may be taken for the other, by its beginning.
var likePairs = [][2]string{
	{`7`, `71`},
	{`1`, `1.0`},
	{`1`, `10`},
	{`1`, `1e3`},
	{`-1`, `-10`},
	{`0`, `01`},
	{`1`, `1 `},
	{`"a"`, `"a\""`},
	{`"a\\"`, `"a\\\""`},
	{`"a\\"`, `"a\\","b"`},
	{`"\\"`, `"\"`},
	{`"a"`, `"a`},
	{`"a"`, `"a"b"`},
	{`""`, `""""`},
	{`"text"`, `"text cut"`},
	{`"té"`, "\"t\xc3\""},
	{`{"a":{"b":[1]}}`, `{"a":{"b":[1]},"c":2}`},
	{`{}`, `{}}`},
	{`[]`, `[],[]`},
	{`[1,{"a":[]}]`, `[1,{"a":[]}`},
	{`[1, 2]`, `[1,2]`},
	{`true`, `true1`},
	{`null`, `nullx`},
	{`null`, ``},
	{`{"n":1}`, `{"n" : 1}`},
}

// FuzzReadLike: a row reads the same beside another as alone.
func FuzzReadLike(f *testing.F) {
	for _, pair := range likePairs {
		for _, form := range []string{
			`{"a":%s}`, `{"a":%s,"b":1}`, `{"b":[1],"a":%s}`, `{"a": %s ,"b":1}`, `{ "a" :%s}`, `{"a":%[1]s,"a":%[1]s}`, `{"gone":%[1]s,"b":%[1]s}`, `{"a":%s`,
		} {
			one, other := fmt.Sprintf(form, pair[0]), fmt.Sprintf(form, pair[1])
			f.Add(one, one)
			f.Add(one, other)
			f.Add(other, one)
			f.Add(one, strings.Replace(other, "a", "b", 1))
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		cs := columns{}.add("a", nil).add("b", nil).add(`c"`, nil)
		like, err := cs.read([]byte(first), nil, nil)
		if err != nil {
			return // it is not read on: see translator.read
		}
		want, wantErr := cs.read([]byte(second), nil, nil)
		got, gotErr := cs.read([]byte(second), nil, like)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q beside %q: error %v, alone %v", second, first, gotErr, wantErr)
		}
		if wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q beside %q: %q, alone %q", second, first, got, want)
		}
	})
}
