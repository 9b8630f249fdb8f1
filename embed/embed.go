package embed

import (
	"embed"
	"io/fs"
)

//go:embed swagger
var swagger embed.FS

// SwaggerVersion is that of swagger-ui-dist, which Swagger is.
const SwaggerVersion = "5.35.0"

// Swagger returns the API browser: swagger-ui-dist as its makers built it, and
// the page that starts it on this server's document.
func Swagger() fs.FS { return sub(swagger, "swagger") }

//go:embed dist
var dist embed.FS

// UI returns the web UI as it is built from ui: index.html, which answers for
// every screen, and what it loads.
func UI() fs.FS { return sub(dist, "dist") }

func sub(files embed.FS, dir string) fs.FS {
	inner, err := fs.Sub(files, dir)
	if err != nil {
		panic("embed: " + err.Error()) // the directory is embedded above
	}
	return inner
}
