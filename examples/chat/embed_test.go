package chat

import (
	"regexp"
	"strings"
	"testing"
)

func TestPage_is_asked_for_anew_and_its_assets_are_kept(t *testing.T) {
	t.Parallel()
	page := ask(t, Page(), "GET /", "")
	if page.status != 200 || page.header.Get("Cache-Control") != "no-cache" || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", page.status, page.header)
	}
	types := ""
	for _, asset := range regexp.MustCompile(`(?:src|href)="\.(/assets/[^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		got := ask(t, Page(), "GET "+asset[1], "")
		if got.status != 200 || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || got.body == "" {
			t.Errorf("%s: %d %v", asset[1], got.status, got.header)
		}
		types += got.header.Get("Content-Type") + "\n"
	}
	if types != "text/javascript; charset=utf-8\ntext/css; charset=utf-8\n" {
		t.Errorf("the assets are\n%s", types)
	}
}

func TestPage_is_all_there_is(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nothing", "/assets/", "/assets/nothing.js", "/assets/..%2Findex.html", "/dist/index.html", "/schema.sql"} {
		got := ask(t, Page(), "GET "+path, "")
		if got.status != 404 && got.status != 400 || got.header.Get("Cache-Control") != "" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	if got := ask(t, Page(), "POST /", "x"); got.status != 405 {
		t.Errorf("POST: %d", got.status)
	}
}
