package server

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
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

// mediaTypeOf does not ask the machine, whose tables differ.
func mediaTypeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".woff2":
		return "font/woff2"
	case ".md":
		return "text/markdown; charset=utf-8"
	}
	if known := mime.TypeByExtension(path.Ext(name)); known != "" {
		return known
	}
	return "application/octet-stream"
}

// serve answers with the asset of that name, "" meaning the page.
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
