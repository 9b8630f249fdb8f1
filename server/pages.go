package server

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"maestro/problem"
)

// asset is a file of the binary, ready to be sent.
type asset struct {
	content   []byte
	mediaType string
	etag      string
}

// loadAssets reads files that are inside the binary.
func loadAssets(files fs.FS) map[string]asset {
	assets := make(map[string]asset)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		assets[name] = asset{content: content, mediaType: mediaTypeOf(name), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if err != nil {
		panic("server: " + err.Error()) // the files are inside the binary
	}
	return assets
}

// mediaTypeOf knows the files that are inside the binary. It does not ask the
// machine, whose tables differ.
func mediaTypeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".woff2":
		return "font/woff2"
	case ".md":
		return "text/markdown; charset=utf-8"
	case "": // a license
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// uiPolicy is the content security policy of the UI's page. Nothing but the
// policy of its framework may turn text into elements (Trusted Types).
var uiPolicy = []string{securityHeaders()["Content-Security-Policy"][0] +
	"; require-trusted-types-for 'script'; trusted-types svelte-trusted-html"}

// notScreens lists the first segments of addresses that are never a screen of
// the UI, so that a mistyped one is answered as not found.
var notScreens = []string{"api", "assets", "docs", "guide", "livez", "metrics", "openapi.json", "problems", "readyz", ".well-known"}

// userInterface serves the files of the UI, and its page for every other address
// that a browser asks for: the page itself knows which screens there are.
func (s *Server) userInterface(assets map[string]asset) gin.HandlerFunc {
	page, ok := assets["index.html"]
	if !ok {
		panic("server: the UI has no page")
	}
	return func(c *gin.Context) {
		name := strings.TrimPrefix(c.Request.URL.Path, "/")
		read := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
		if _, ok := assets[name]; ok && read && name != "index.html" {
			s.serveAsset(c, assets, name)
			return
		}
		first, _, _ := strings.Cut(name, "/")
		if !read || slices.Contains(notScreens, first) || !strings.Contains(c.GetHeader("Accept"), "text/html") {
			refuse(c, problem.New(problem.NotFound, "There is nothing at this address."))
			return
		}
		c.Writer.Header()["Content-Security-Policy"] = uiPolicy
		sendAsset(c, page)
	}
}

// serveAsset answers with the asset of that name, "" meaning the page.
func (s *Server) serveAsset(c *gin.Context, assets map[string]asset, name string) {
	name = strings.TrimPrefix(name, "/")
	if name == "" {
		name = "index.html"
	}
	a, ok := assets[name]
	if !ok {
		refuse(c, problem.New(problem.NotFound, "There is nothing at this address."))
		return
	}
	sendAsset(c, a)
}

// sendAsset answers with an asset, or 304 to whom has it.
func sendAsset(c *gin.Context, a asset) {
	header := c.Writer.Header()
	header["Cache-Control"] = []string{"no-cache"} // kept, and asked about
	header["Etag"] = []string{a.etag}
	if (IfNoneMatch{KnownTags: c.GetHeader("If-None-Match")}).current(a.etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, a.mediaType, a.content)
}
