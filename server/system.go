package server

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"maestro/embed"
	"maestro/problem"
)

// systemRoutes are what lies outside the API: health, the document, the pages
// that explain problems, the keys that verify access tokens.
func (s *Server) systemRoutes() {
	s.open("/livez", s.livez)
	s.open("/readyz", s.readyz)
	s.open("/metrics", s.sendMetrics)
	s.open("/.well-known/jwks.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/jwk-set+json", s.auth.JWKS()) })
	s.open("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", s.document) })
	swagger := loadAssets(embed.Swagger())
	s.open("/docs", func(c *gin.Context) { s.serveAsset(c, swagger, "") })
	s.open("/docs/*name", func(c *gin.Context) { s.serveAsset(c, swagger, c.Param("name")) })
	s.open("/problems", problemIndex)
	s.open("/problems/:name", problemPage)
}

// livez answers as long as the process does.
func (s *Server) livez(c *gin.Context) {
	c.Data(http.StatusOK, "application/json", []byte(`{"status":"ok"}`))
}

var problemPages = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}} – Maestro</title></head>
<body><main>{{if .Code}}<p><code>{{.Status}} /problems/{{.Code}}</code></p><h1>{{.Title}}</h1><p>{{.Explain}}</p><p><a href="/problems">All problems</a></p>
{{else}}<h1>{{.Title}}</h1><ul>{{range .All}}<li><a href="/problems/{{.Code}}">{{.Code}}</a> ({{.Status}}): {{.Title}}</li>{{end}}</ul>{{end}}</main></body></html>
`))

type problemView struct {
	Code    problem.Code
	Status  int
	Title   string
	Explain string
	All     []problemView
}

func problemIndex(c *gin.Context) {
	view := problemView{Title: "Problems"}
	for _, known := range classes {
		view.All = append(view.All, problemView{Code: known.code, Status: known.status, Title: known.title})
	}
	renderProblem(c, view)
}

func problemPage(c *gin.Context) {
	i := slices.IndexFunc(classes, func(known class) bool { return string(known.code) == c.Param("name") })
	if i < 0 {
		refuse(c, problem.New(problem.NotFound, "There is no such class of problems."))
		return
	}
	known := classes[i]
	renderProblem(c, problemView{Code: known.code, Status: known.status, Title: known.title, Explain: known.explain})
}

func renderProblem(c *gin.Context, view problemView) {
	var page bytes.Buffer
	if err := problemPages.Execute(&page, view); err != nil {
		refuse(c, err)
		return
	}
	c.Data(http.StatusOK, "text/html; charset=utf-8", page.Bytes())
}
