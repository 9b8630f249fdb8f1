package cli

import "time"

// history is one of the embedded project histories and how it becomes a tenant.
type history struct {
	slug, name string
	plan       importPlan
	practices  []practice
}

// practice is something that projects of a history did alike, as an artifact:
// every project whose attribute has the value used it.
type practice struct {
	name, kind, description string
	attribute               string
	value                   float64
}

// fourGL and the like are what the data set's Language means, as Shepperd and
// Schofield (1997) describe it.
const (
	basicCobol    = 1
	advancedCobol = 2
	fourGL        = 3
)

// histories are the demo's tenants. What is an input to the others' effort stays
// an attribute; what is another form of the effort (productivity rates) is left
// out, because the predictor must not learn from it.
func histories() []history {
	// The China data have durations and no dates.
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return []history{
		{slug: "desharnais", name: "Desharnais: a Canadian software house", plan: importPlan{
			mapping: map[string]string{"duration": "Length", "completion_date": "YearEnd", "compute_cost": "Effort"},
			ignored: []string{"Project"}, missing: []string{"-1"}, unit: "months", name: "Desharnais {Project}", class: "language-{Language}",
		}, practices: []practice{
			{"Basic Cobol", "config", "Written in basic Cobol", "Language", basicCobol},
			{"Advanced Cobol", "config", "Written in advanced Cobol", "Language", advancedCobol},
			{"Fourth-generation language", "config", "Written in a fourth-generation language", "Language", fourGL},
		}},
		{slug: "china", name: "China: ISBSG software projects", plan: importPlan{
			mapping: map[string]string{"duration": "Duration", "compute_cost": "Effort"}, start: &began,
			ignored: []string{"ID", "N_effort", "PDR_AFP", "PDR_UFP", "NPDR_AFP", "NPDU_UFP"}, unit: "months", name: "China {ID}", class: "resource-level-{Resource}",
		}},
		{slug: "maxwell", name: "Maxwell: a Finnish bank", plan: importPlan{
			mapping: map[string]string{"duration": "Duration", "start_date": "Syear", "compute_cost": "Effort"},
			ignored: []string{"Time"}, unit: "months", name: "Maxwell {row}", class: "application-{App}",
		}, practices: []practice{
			{"Telon", "config", "Written with the code generator Telon", "Telonuse", 1},
			{"Developed in-house", "config", "Developed by the bank's own staff", "Source", 1},
			{"Outsourced development", "config", "Developed by a supplier", "Source", 2},
		}},
	}
}
