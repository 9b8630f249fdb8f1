package tracking

import (
	"fmt"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of a question for similar projects.
const (
	MaxDocuments      = 20
	MaxDocumentRunes  = 65_536
	MaxSimilar        = 20
	DefaultSimilar    = 5
	MaxCoveragesShown = 200
)

// SimilarRequest asks for projects that are like a project, or like what is said
// of one.
type SimilarRequest struct {
	ProjectID       *tenancy.ID `json:"project_id" nullable:"true" required:"false" doc:"The project, with its words, inputs and requirement documents; without the members below but documents"`
	Name            string      `json:"name" required:"false" maxLength:"255"`
	Description     string      `json:"description" required:"false" maxLength:"10000" doc:"What it is about; Markdown is read as a requirement document too"`
	ProblemClass    *string     `json:"problem_class" required:"false" maxLength:"50" pattern:"^[a-z][a-z0-9_-]*$"`
	ComplexityScore *float64    `json:"complexity_score" required:"false" minimum:"1" maximum:"100"`
	TeamSize        *int64      `json:"team_size" required:"false" minimum:"1" maximum:"100000"`
	Attributes      Attributes  `json:"attributes" required:"false"`
	Documents       []Document  `json:"documents" required:"false" nullable:"true" maxItems:"20" doc:"Requirement documents: user stories, requirements, data models and endpoints"`
	Limit           int         `json:"limit" required:"false" minimum:"1" maximum:"20" default:"5" doc:"At most so many projects"`
}

// Document is a requirement document in Markdown.
type Document struct {
	Name string `json:"name" required:"false" maxLength:"255"`
	Text string `json:"text" maxLength:"65536" doc:"Markdown: entries of lists, rows of tables, and paragraphs where there is neither"`
}

// Validate names every value that is not allowed.
func (r *SimilarRequest) Validate() error {
	var c problem.Checks
	tenancy.CheckText(&c, "body.name", r.Name, 0, tenancy.MaxNameRunes)
	tenancy.CheckText(&c, "body.description", r.Description, 0, MaxDescriptionRunes)
	plan := r.Plan()
	plan.check(&c)
	alone := plan.Empty() && r.Name == "" && r.Description == ""
	c.Require(r.ProjectID == nil || alone, "body.project_id", "must stand alone, but for documents: the rest is the project's own")
	c.Require(len(r.Documents) <= MaxDocuments, "body.documents", "must be at most %d", MaxDocuments)
	for i, d := range r.Documents[:min(len(r.Documents), MaxDocuments)] {
		at := fmt.Sprintf("body.documents[%d]", i)
		tenancy.CheckText(&c, at+".name", d.Name, 0, tenancy.MaxNameRunes)
		tenancy.CheckText(&c, at+".text", d.Text, 0, MaxDocumentRunes)
	}
	c.Require(r.Limit >= 1 && r.Limit <= MaxSimilar, "body.limit", "must be 1 to %d", MaxSimilar)
	return c.Err()
}

// Plan are the inputs among what is said.
func (r *SimilarRequest) Plan() PlanFields {
	return PlanFields{ProblemClass: r.ProblemClass, ComplexityScore: r.ComplexityScore, TeamSize: r.TeamSize, Attributes: r.Attributes}
}

// SimilarProjects are the projects of the tenant that are like the one asked
// about, whatever their status, the most similar first.
type SimilarProjects struct {
	Items      []SimilarProject `json:"items"`
	Needed     int              `json:"needed" doc:"Items that the requirement documents of the project asked about contain"`
	Thresholds ReuseThresholds  `json:"thresholds"`
}

// ReuseThresholds are what the reuse strategies are chosen by.
type ReuseThresholds struct {
	Covered float64 `json:"covered" doc:"An item is covered by one of its kind with at least this similarity"`
	Clone   float64 `json:"clone" doc:"clone_and_customise from this share of covered items on"`
	Hybrid  float64 `json:"hybrid" doc:"hybrid from this share on; from_scratch below"`
}

// SimilarProject is one of them.
type SimilarProject struct {
	SimilarOutcome
	TextSimilarity  *float64 `json:"text_similarity" doc:"Of the words, in one vocabulary of all the tenant's projects: 1 of the same text, 0 without a common word; null when nothing was said in words"`
	InputSimilarity *float64 `json:"input_similarity" doc:"Of class, complexity, team size and attributes; null when too few are shared to tell. similarity is the mean of the two"`
	Overlap         *Overlap `json:"overlap" null:"true" doc:"Null unless both have requirements, and of those that come after so many that comparing takes too long"`
	Effort          *Effort  `json:"effort" null:"true" doc:"What the difference takes; null unless the project is completed and there is an overlap"`
}

// Overlap is what a project already has of what is needed.
type Overlap struct {
	Strategy string        `json:"strategy" enum:"clone_and_customise,hybrid,from_scratch"`
	Covered  float64       `json:"covered" minimum:"0" maximum:"1" doc:"Share of the needed items"`
	Work     float64       `json:"work" minimum:"0" maximum:"1" doc:"What is needed, as a share of building all of it anew: 1 of an item that is not covered, 0.3 + 0.7 × (1 - similarity) of one that is"`
	Kinds    []KindOverlap `json:"kinds"`
	Items    []Coverage    `json:"items" doc:"The first 200"`
}

// KindOverlap is the overlap of one kind of items.
type KindOverlap struct {
	Kind    string `json:"kind" enum:"user_story,requirement,data_model,endpoint"`
	Needed  int    `json:"needed"`
	Covered int    `json:"covered"`
}

// Coverage is one needed item and the best answer to it.
type Coverage struct {
	Kind       string  `json:"kind" enum:"user_story,requirement,data_model,endpoint"`
	Text       string  `json:"text"`
	Closest    string  `json:"closest" doc:"The most similar item of its kind; empty when there is none"`
	Similarity float64 `json:"similarity"`
	Covered    bool    `json:"covered"`
}

// Effort is what the difference takes, by the project's own effort per item.
type Effort struct {
	DurationDays *float64 `json:"duration_days"`
	Cost         *float64 `json:"cost"`
}
