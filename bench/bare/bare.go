// Package bare is the limit that the product is measured against: gin with
// nothing behind it. It answers one project with bytes that it was given, and a
// list of projects by encoding it from structs with encoding/json, as a plain gin
// program would, and a create with what it read from the body, kept nowhere. No authentication, no database, no middleware.
package bare

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gin-gonic/gin"
)

// The files in the server's directory: the bodies to answer with, as the product
// answered them.
const (
	projectFile = "project.json"
	listFile    = "list.json"
)

// List is a page of projects.
type List struct {
	Items      []Project `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

// Project has the fields of the product's project in types that encoding/json
// handles without a method call, which is the fastest that it can be asked for.
type Project struct {
	ID               string         `json:"id"`
	TenantID         string         `json:"tenant_id"`
	Name             string         `json:"name"`
	Description      string         `json:"description"`
	ProblemClass     *string        `json:"problem_class"`
	Status           string         `json:"status"`
	ComplexityScore  *float64       `json:"complexity_score"`
	TeamSize         *int64         `json:"team_size"`
	StartDate        *string        `json:"start_date"`
	CompletionDate   *string        `json:"completion_date"`
	ModelPerformance *float64       `json:"model_performance"`
	ComputeCost      *float64       `json:"compute_cost"`
	BusinessImpact   *float64       `json:"business_impact"`
	Attributes       map[string]any `json:"attributes"`
	Metadata         map[string]any `json:"metadata"`
	SuccessScore     *float64       `json:"success_score"`
	CreatedBy        *string        `json:"created_by"`
	CreatedAt        string         `json:"created_at"`
	UpdatedAt        string         `json:"updated_at"`
	Version          int64          `json:"version"`
}

// Prepare writes the bodies that Serve answers with into dir.
func Prepare(dir string, project, list []byte) error {
	if err := os.WriteFile(filepath.Join(dir, projectFile), project, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, listFile), list, 0o600)
}

// Serve answers on addr with what Prepare left in dir, until the process ends.
func Serve(addr, dir string) error {
	project, err := os.ReadFile(filepath.Join(dir, projectFile))
	if err != nil {
		return err
	}
	encoded, err := os.ReadFile(filepath.Join(dir, listFile))
	if err != nil {
		return err
	}
	var list List
	if err := json.Unmarshal(encoded, &list); err != nil {
		return fmt.Errorf("%s: %w", listFile, err)
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/readyz", func(c *gin.Context) { c.Status(http.StatusOK) })
	router.GET("/api/v1/projects/:id", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", project) })
	router.POST("/api/v1/projects", func(c *gin.Context) { // what a create costs where nothing is kept
		var p Project
		if err := c.ShouldBindJSON(&p); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.JSON(http.StatusCreated, &p)
	})
	router.GET("/api/v1/projects", func(c *gin.Context) { c.JSON(http.StatusOK, &list) })
	return http.ListenAndServe(addr, router)
}
