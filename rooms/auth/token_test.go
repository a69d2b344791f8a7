package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCarried(t *testing.T) {
	t.Parallel()
	const none = "no token" // "" is found where nobody is to be believed
	all := carriage{cookie: "session", query: true}
	origin := "Origin: https://app.example"
	for _, tt := range []struct {
		name    string
		c       carriage
		url     string
		headers string // lines
		want    string
	}{
		{"nothing", all, "/ws", origin, none},

		{"subprotocol", carriage{}, "/ws", "Sec-WebSocket-Protocol: rowcast.v1, bearer.a.b-c_d", "a.b-c_d"},
		{"subprotocol, no spaces", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer.a,rowcast.v1", "a"},
		{"subprotocols in lines", carriage{}, "/ws", "Sec-WebSocket-Protocol: rowcast.plain\nSec-WebSocket-Protocol: bearer.a", "a"},
		{"the same bearer twice", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer.a, bearer.a", "a"},
		{"two bearers", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer.a, bearer.b", ""},
		{"two bearers in lines", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer.a\nSec-WebSocket-Protocol: bearer.b", ""},
		{"two bearers, and a header", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer.a, bearer.b\nAuthorization: Bearer c", ""},
		{"an empty bearer is none", carriage{}, "/ws", "Sec-WebSocket-Protocol: rowcast.v1, bearer.", none},
		{"a bearer in capitals is another subprotocol", carriage{}, "/ws", "Sec-WebSocket-Protocol: BEARER.a", none},
		{"a subprotocol that only begins so", carriage{}, "/ws", "Sec-WebSocket-Protocol: bearer, bearers.a", none},

		{"cookie", all, "/ws", origin + "\nCookie: a=b; session=abc; c=d", "abc"},
		{"cookie, quoted", all, "/ws", origin + "\nCookie: session=\"abc\"", "abc"},
		{"cookie as it is", all, "/ws", origin + "\nCookie: session=s%3Aabc.d+e/f=", "s%3Aabc.d+e/f="},
		{"cookie from a page's own GET", all, "/sse", "Sec-Fetch-Site: same-origin\nCookie: session=abc", "abc"},
		{"cookie without origin", all, "/ws", "Cookie: session=abc", none},
		{"cookie without origin, from another site", all, "/sse", "Sec-Fetch-Site: cross-site\nCookie: session=abc", none},
		{"cookie without origin, from a sister site", all, "/sse", "Sec-Fetch-Site: same-site\nCookie: session=abc", none},
		{"cookie without origin, typed into the address bar", all, "/sse", "Sec-Fetch-Site: none\nCookie: session=abc", none},
		{"cookie that is not the setting's", carriage{}, "/ws", origin + "\nCookie: session=abc; =x", none},
		{"cookie of a name in capitals", all, "/ws", origin + "\nCookie: Session=abc", none},
		{"empty cookie, as after signing out", all, "/ws", origin + "\nCookie: session=", none},
		{"cookie set by a sister site beside ours", all, "/ws", origin + "\nCookie: session=theirs; session=ours", ""},
		{"two cookies in lines", all, "/ws", origin + "\nCookie: session=theirs\nCookie: session=ours", ""},

		{"header", carriage{}, "/ws", "Authorization: Bearer a.b.c", "a.b.c"},
		{"header in lower case", carriage{}, "/ws", "authorization: bearer a", "a"},
		{"header in capitals", carriage{}, "/ws", "AUTHORIZATION: BEARER a", "a"},
		{"header with spaces", carriage{}, "/ws", "Authorization: Bearer   a  ", "a"},
		{"header of another scheme", carriage{}, "/ws", "Authorization: Basic dTpw", none},
		{"header of a scheme that begins so", carriage{}, "/ws", "Authorization: Bearers a", none},
		{"header with a tab", carriage{}, "/ws", "Authorization: Bearer\ta", none},
		{"header without token", carriage{}, "/ws", "Authorization: Bearer", none},
		{"header, of two schemes", carriage{}, "/ws", "Authorization: Basic dTpw\nAuthorization: Bearer a", "a"},
		{"two headers", carriage{}, "/ws", "Authorization: Bearer a\nAuthorization: bearer b", ""},
		{"two tokens in a header are one that is none", carriage{}, "/ws", "Authorization: Bearer a, Bearer b", "a, Bearer b"},

		{"query", all, "/ws?topics=a&token=a.b", "", "a.b"},
		{"query that is not allowed", carriage{cookie: "session"}, "/ws?token=a", "", none},
		{"query twice", all, "/ws?token=a&token=b", "", ""},
		{"query twice, the same", all, "/ws?token=a&token=%61", "", "a"},
		{"empty query", all, "/ws?token=", "", none},
		{"query in capitals", all, "/ws?TOKEN=a", "", none},

		{"subprotocol first", all, "/ws?token=q", origin + "\nSec-WebSocket-Protocol: bearer.s\nCookie: session=c\nAuthorization: Bearer h", "s"},
		{"then the cookie", all, "/ws?token=q", origin + "\nCookie: session=c\nAuthorization: Bearer h", "c"},
		{"then the header", all, "/ws?token=q", origin + "\nAuthorization: Bearer h", "h"},
		{"a cookie that does not count is not in the way", all, "/ws?token=q", "Cookie: session=c\nAuthorization: Bearer h", "h"},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.url, nil)
		for line := range strings.Lines(tt.headers) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			r.Header.Add(name, value)
		}
		token, found := carried(r, tt.c)
		if got := map[bool]string{true: token, false: none + token}[found]; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
