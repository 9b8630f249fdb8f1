package tracking

import "maestro/tenancy"

// Advice is what the history advises for a project or a plan.
type Advice struct {
	Recommendations []Recommendation   `json:"recommendations" doc:"What the history supports beyond doubt; empty when it supports nothing"`
	Artifacts       []ArtifactEvidence `json:"artifacts" doc:"What the finished projects say of the artifacts most used: the evidence, whether or not it is beyond doubt"`
	TeamShape       []TeamGroup        `json:"team_shape" doc:"The finished projects of the problem class, or of all when none is given, by the shape of their teams"`
	Basis           int64              `json:"basis" doc:"Finished projects with a success score"`
	ModelVersion    string             `json:"model_version"`
	Note            string             `json:"note"`
}

// ArtifactEvidence is what the history knows of an artifact.
type ArtifactEvidence struct {
	ArtifactID tenancy.ID `json:"artifact_id"`
	Name       string     `json:"name"`
	Used       int        `json:"used" doc:"Finished projects that used it"`
	Unused     int        `json:"unused" doc:"Finished projects of the same problem classes that did not"`
	Uplift     float64    `json:"uplift" doc:"Difference of their mean success"`
	Low        float64    `json:"low"`
	High       float64    `json:"high"`
	Level      float64    `json:"level"`
	Fit        float64    `json:"fit" minimum:"0" maximum:"1" doc:"The share of its projects that were of the problem class, and the similarity of its words with the description: the mean of what is given"`
}

// TeamGroup is how the projects went whose teams are alike in one way.
type TeamGroup struct {
	Dimension string      `json:"dimension" enum:"size,role,experience"`
	Value     string      `json:"value" doc:"3 to 5, data_engineer, more than half"`
	Text      string      `json:"text" doc:"The group in words"`
	Count     int         `json:"count" doc:"Finished projects with such a team"`
	Success   *GroupMean  `json:"success" null:"true" doc:"Their mean success score; null of fewer than 3"`
	Others    int         `json:"others" doc:"Finished projects with another one"`
	Uplift    *GroupShift `json:"uplift" null:"true" doc:"Against the others; null when either side has fewer than 3"`
}

// GroupMean is a mean with its interval (Student's t).
type GroupMean struct {
	Mean  float64 `json:"mean"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Level float64 `json:"level"`
}

// GroupShift is a difference of means with its interval (Welch's t), as wide as
// all groups' differences need together.
type GroupShift struct {
	Uplift float64 `json:"uplift"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Level  float64 `json:"level"`
}
