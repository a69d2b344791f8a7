package auth

// Credentials says whether a page of another origin may send its cookies: they
// count for something here, and New let no wildcard stand beside them.
func (g *Gate) Credentials() bool { return !g.Open() && g.o.Cookie != "" }
