package registry

import "maestro/tenancy"

// RankedArtifact is an artifact with what it is ranked by.
type RankedArtifact struct {
	Artifact
	RankingEstimate float64 `json:"ranking_estimate" doc:"(sum of scores + 5 × tenant mean) / (scores + 5), 0 to 100"`
	Uplift          *Uplift `json:"uplift" null:"true" doc:"Null unless asked for, and while fewer than 3 finished projects used it, or did not"`
}

// AppendJSON appends the artifact's members and the estimate as one object.
func (r *RankedArtifact) AppendJSON(b []byte) []byte {
	b = r.Artifact.AppendJSON(b)
	b = append(b[:len(b)-1], `,"ranking_estimate":`...)
	b = tenancy.AppendJSONFloatOrNull(b, &r.RankingEstimate)
	b = append(b, `,"uplift":`...)
	if r.Uplift == nil {
		return append(b, "null}"...)
	}
	return append(r.Uplift.AppendJSON(b), '}')
}
