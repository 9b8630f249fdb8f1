package registry

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestARankedArtifactIsItsArtifactWithTheEstimate(t *testing.T) {
	ranked := &RankedArtifact{Artifact: *fullArtifact(), RankingEstimate: 71.25}
	artifact := string(ranked.Artifact.AppendJSON(nil))
	for _, uplift := range []*Uplift{nil, {Uplift: 12.5, Low: -1e-7, High: 25.25, Level: 0.9, MeanUsed: 62.5, MeanUnused: 50, Used: 3, Unused: 1_000_000}} {
		ranked.Uplift = uplift
		want := strings.TrimSuffix(artifact, "}") + `,"ranking_estimate":71.25,"uplift":` + standard(t, uplift) + `}`
		if got := string(ranked.AppendJSON([]byte("["))); got != "["+want {
			t.Errorf("got  %s\nwant [%s", got, want)
		}
		if !json.Valid([]byte(want)) {
			t.Errorf("%s is not JSON", want)
		}
	}
}
