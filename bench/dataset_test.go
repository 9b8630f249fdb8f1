package main

import (
	"bytes"
	"errors"
	"testing"
)

func TestEveryRowOfASetIsValidAndItsNameItsOwn(t *testing.T) {
	projects, artifacts := map[string]bool{}, map[string]bool{}
	const n = 20_000
	for i := range n {
		p, a := project(i), artifact(i)
		if err := p.Validate(); err != nil {
			t.Fatalf("project %d: %v", i, err)
		}
		if err := a.Validate(); err != nil {
			t.Fatalf("artifact %d: %v", i, err)
		}
		done, asked := completed(i), planned(i)
		if err := errors.Join(done.Validate(), asked.Validate()); err != nil {
			t.Fatalf("completed project or prediction %d: %v", i, err)
		}
		projects[p.Name] = true
		artifacts[a.Name+"\x00"+a.Version] = true
	}
	if len(projects) != n || len(artifacts) != n {
		t.Errorf("%d names of projects and %d of artifacts, want %d of each", len(projects), len(artifacts), n)
	}
}

func TestScaledSetsStayUsable(t *testing.T) {
	for _, set := range []dataSet{smallSet, wideSet, bigSet} {
		if got := set.scaled(1); got != set {
			t.Errorf("%s scaled by 1 became %+v", set.name, got)
		}
		tiny := set.scaled(0.0001)
		if tiny.tenants < 2 || tiny.projects < 2*pageSize || (set.deep > 0 && tiny.deep < 4*pageSize) || (set.artifacts == 0) != (tiny.artifacts == 0) {
			t.Errorf("%s is too small to run on: %+v", set.name, tiny)
		}
		if tiny.projects > set.projects || tiny.users > set.users {
			t.Errorf("%s grew: %+v", set.name, tiny)
		}
	}
}

// A create sends the bytes that encoding the project would give.
func TestCreatedProjectsAreRenderedAsTheyAreEncoded(t *testing.T) {
	kinds := renderProjects()
	for n := int64(1); n < 3*projectKinds; n += 11 {
		got, want := appendCreated(nil, kinds, n), encode(createdProject(n))
		if !bytes.Equal(got, want) {
			t.Fatalf("project %d: got %s, want %s", n, got, want)
		}
	}
}
