package auth

import (
	"reflect"
	"testing"
	"time"
)

func TestNewIdentity(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	for _, tt := range []struct {
		name, claims string
		want         Identity
	}{
		{"nothing", `{}`, Identity{}},
		{"spaces", " \n{ } ", Identity{}},
		{"all", `{"sub":"maks","topics":["b","a_*"],"iat":10,"exp":20,"role":"admin"}`, Identity{
			Subject: "maks", Topics: []string{"b", "a_*"}, Issued: at(10), Expires: at(20),
		}},
		{"one topic", `{"topics":"a b"}`, Identity{Topics: []string{"a b"}}},
		{"no topics", `{"topics":[]}`, Identity{Topics: []string{}}},
		{"topics is null", `{"topics":null}`, Identity{Topics: []string{}}},
		{"the other Topics", `{"Topics":["a"],"SUB":"b"}`, Identity{}},
		{"subject is null", `{"sub":null}`, Identity{}},
		{"subject is a number", `{"sub":12345678901234567890}`, Identity{Subject: "12345678901234567890"}},
		{"subject is zero", `{"sub":0}`, Identity{Subject: "0"}},
		{"subject is below zero", `{"sub":-7}`, Identity{Subject: "-7"}},
		{"subject is everyone's sign", `{"sub":"*"}`, Identity{Subject: "*"}},
		{"subject in escapes", `{"sub":"\u006daks\ud83d\ude00"}`, Identity{Subject: "maks😀"}},
		{"subject twice", `{"sub":"olena","sub":"maks"}`, Identity{Subject: "maks"}},
		{"dates with fractions", `{"iat":1.9e1,"exp":20.99}`, Identity{Issued: at(19), Expires: at(20)}},
		{"the last date", `{"exp":253402300799}`, Identity{Expires: at(253402300799)}},
	} {
		id, err := newIdentity([]byte(tt.claims), testNames)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tt.want.Claims, tt.want.digest = id.Claims, id.digest
		if !reflect.DeepEqual(*id, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, *id, tt.want)
		}
	}

	id, err := newIdentity([]byte(`{"sub":"a","topics":"b","user":{"id":7},"channels":["c"]}`), claimNames{topics: "channels", subject: "name"})
	if err != nil || id.Subject != "" || !reflect.DeepEqual(id.Topics, []string{"c"}) {
		t.Errorf("claims of other names: %+v, %v", id, err)
	}
}

// What is handed on has one meaning for every reader of JSON, and that is what
// was read here.
func TestNewIdentity_claims(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]string{
		`{}`:                                `{}`,
		`{ "b" : 1 , "a" : [ 1.0 , 1e3 ] }`: `{"a":[1.0,1e3],"b":1}`,
		`{"role":"admin","role":"guest"}`:   `{"role":"guest"}`,
		`{"u":{"r":1,"r":2},"u":{"s":3}}`:   `{"u":{"s":3}}`,
		`{"r\u006fle":"x","role":"y"}`:      `{"role":"y"}`,
		`{"id":9007199254740993}`:           `{"id":9007199254740993}`,
		`{"id":0.1000000000000000055}`:      `{"id":0.1000000000000000055}`,
		`{"x":"\ud800"}`:                    `{"x":"` + "\ufffd" + `"}`,
		`{"x":"\/\u0001\u2028"}`:            `{"x":"/\u0001\u2028"}`,
		`{"x":null,"y":false}`:              `{"x":null,"y":false}`,
	} {
		id, err := newIdentity([]byte(claims), testNames)
		if err != nil || string(id.Claims) != want {
			t.Errorf("%s: %s, %v, want %s", claims, id.Claims, err, want)
		}
	}
}

// Decisions are kept by what a token says of its bearer, not by when it was
// issued.
func TestNewIdentity_digest(t *testing.T) {
	t.Parallel()
	of := func(claims string) [32]byte {
		t.Helper()
		id, err := newIdentity([]byte(claims), testNames)
		if err != nil {
			t.Fatal(err)
		}
		return id.digest
	}
	one := of(`{"sub":"maks","role":"guest","exp":20}`)
	for _, same := range []string{
		`{"role":"guest","sub":"maks"}`,
		`{"sub":"olena","sub":"maks","role":"guest","exp":30,"iat":10,"nbf":10,"jti":"x"}`,
	} {
		if of(same) != one {
			t.Errorf("%s has another digest", same)
		}
	}
	for _, other := range []string{
		`{}`, `{"sub":"maks"}`, `{"sub":"maks","role":"admin"}`, `{"sub":"maks","role":"guest","x":null}`,
		`{"sub":"maks","role":["guest"]}`, `{"sub":"olena","role":"guest"}`, `{"user":{"exp":20},"sub":"maks","role":"guest"}`,
	} {
		if of(other) == one {
			t.Errorf("%s has the same digest", other)
		}
	}
	if of(`{"user":{"exp":20}}`) == of(`{"user":{"exp":30}}`) {
		t.Error("an exp that is not the token's is left out")
	}
	by := func(name, claims string) [32]byte {
		t.Helper()
		id, err := newIdentity([]byte(claims), claimNames{topics: DefaultTopicsClaim, subject: name})
		if err != nil {
			t.Fatal(err)
		}
		return id.digest
	}
	for _, name := range []string{"sub", "exp", "iat", "nbf", "jti"} {
		if by(name, `{"`+name+`":1}`) == by(name, `{"`+name+`":2}`) {
			t.Errorf("those whom %s tells apart share decisions", name)
		}
	}
}

func TestNewIdentity_refuses(t *testing.T) {
	t.Parallel()
	for _, claims := range []string{
		``, `null`, `[]`, `"maks"`, `7`, `{`, `{}{}`, `{},`, `{}x`, "\xff", "{\"a\":\"\xff\"}", "{\"\xc3\x28\":1}", "\xef\xbb\xbf{}",
		`{"a":"\u0000"}`, `{"\u0000":1}`, `{"a":[{"b":["\u0000"]}]}`, `{"sub":"\udc00"}`, `{"sub":"` + "\ufffd" + `"}`,
		`{"sub":1.5}`, `{"sub":-0}`, `{"sub":1e2}`, `{"sub":{}}`, `{"topics":{}}`, `{"topics":[1]}`, `{"topics":[["a"]]}`,
		`{"exp":"1"}`, `{"exp":null}`, `{"iat":[]}`, `{"nbf":true}`, `{"exp":-1}`, `{"exp":1e12}`, `{"exp":1e999}`,
	} {
		if id, err := newIdentity([]byte(claims), testNames); err == nil {
			t.Errorf("%s: %+v", claims, id)
		}
	}
}
