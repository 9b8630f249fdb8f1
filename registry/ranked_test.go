package registry

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestARankedArtifactIsItsArtifactWithTheEstimate(t *testing.T) {
	ranked := &RankedArtifact{Artifact: *fullArtifact(), RankingEstimate: 71.25}
	artifact := string(ranked.Artifact.AppendJSON(nil))
	want := strings.TrimSuffix(artifact, "}") + `,"ranking_estimate":71.25}`
	if got := string(ranked.AppendJSON([]byte("["))); got != "["+want {
		t.Errorf("got  %s\nwant [%s", got, want)
	}
	if !json.Valid([]byte(want)) {
		t.Errorf("%s is not JSON", want)
	}
}
