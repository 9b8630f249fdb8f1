package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// Source is the hook that a delivery came to.
type Source struct {
	Provider           string
	DeploymentWorkflow string // whose runs are deployments; "" for none
}

// Delivery is what was delivered.
type Delivery struct {
	// Run is what it reports of a run; nil when it reports none.
	Run *tracking.RunFields
	// Commits are what it reports of commits.
	Commits []tracking.CommitTime
	// At says how old it is: when it was signed, where the signature says so, and
	// otherwise the latest time in what it reports of the run; 0 for none.
	At tenancy.Time
}

// MaxCommits is how many commits of a push are kept: the latest.
const MaxCommits = 50

// Read reads a delivery that holds. An event that reports neither a run nor
// commits is an empty Delivery. It fails with Malformed for what cannot be read
// and with Validation for values that are not allowed.
func Read(source Source, header Header, body []byte) (Delivery, error) {
	if !utf8.Valid(body) {
		return Delivery{}, problem.New(problem.Malformed, "The body is not UTF-8.")
	}
	var d Delivery
	var err error
	switch source.Provider {
	case "github":
		d, err = readGitHub(source, header("X-GitHub-Event"), body)
	case "gitlab":
		d, err = readGitLab(source, header("X-Gitlab-Event"), body)
	case "gitea":
		d, err = readGitea(source, header("X-Gitea-Event"), body)
	case "forgejo":
		d, err = readForgejo(source, header("X-Forgejo-Event"), body)
	case "generic":
		d, err = readGeneric(body)
	}
	if err != nil || d.Run == nil {
		return d, err
	}
	d.Run.Provider = source.Provider
	d.Run.Complete()
	if err := d.Run.Validate(); err != nil {
		return Delivery{}, err
	}
	if at, ok := signedAt(source.Provider, header); ok {
		d.At = tenancy.TimeOf(at)
		return d, nil
	}
	for _, t := range []*tenancy.Time{d.Run.StartedAt, d.Run.FinishedAt} {
		if t != nil {
			d.At = max(d.At, *t)
		}
	}
	return d, nil
}

// readGeneric reads our own form: a run, as the API takes it.
func readGeneric(body []byte) (Delivery, error) {
	var run tracking.RunFields
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&run); err != nil {
		return Delivery{}, unreadable(err)
	}
	if decoder.More() {
		return Delivery{}, unreadable(errors.New("more than one value"))
	}
	return Delivery{Run: &run}, nil
}

// decode reads JSON of which other members are of no interest.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return unreadable(err)
	}
	return nil
}

func unreadable(err error) error {
	unreadable := problem.Wrap(err, problem.Malformed, "The body is not JSON of the form that its event has.")
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		unreadable.Violations = []problem.Violation{{Location: "body." + mistyped.Field, Message: "has a value of the wrong type"}}
	}
	return unreadable
}

// missing says that a delivery lacks what its event must have.
func missing(location string) error {
	var c problem.Checks
	c.Refuse(location, "is required")
	return c.Err()
}

// moment is a time as providers write it. What is absent, null, empty or the zero
// of a programming language is 0.
type moment tenancy.Time

// momentLayouts are tried in turn: RFC 3339, and the two forms of GitLab.
var momentLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700"}

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(data []byte) error {
	*m = 0
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		var seconds int64 // GitHub's pushes have some times in Unix seconds
		if json.Unmarshal(data, &seconds) != nil {
			return err
		}
		*m = moment(tenancy.TimeOf(time.Unix(seconds, 0)))
		return nil
	}
	if text == "" {
		return nil
	}
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			if t.Year() > 1970 {
				*m = moment(tenancy.TimeOf(t))
			}
			return nil
		}
	}
	return errors.New("a time is in no form that is known")
}

// pointer is the time, or nil when there is none.
func (m moment) pointer() *tenancy.Time {
	if m <= 0 {
		return nil
	}
	return new(tenancy.Time(m))
}

// sha is a commit's name where it is one.
func sha(text string) *string {
	if text = strings.ToLower(text); !tracking.IsSHA(text) {
		return nil
	}
	return &text
}

// label fits a provider's text into a field of a run.
func label(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text))
	if runes := []rune(text); len(runes) > tracking.MaxRunNameRunes {
		text = strings.TrimSpace(string(runes[:tracking.MaxRunNameRunes]))
	}
	return text
}

// commit is one as every provider's push has it.
type commit struct {
	ID        string `json:"id"`
	Timestamp moment `json:"timestamp"`
}

// commits returns the latest of those whose time is known.
func commits(all []commit) []tracking.CommitTime {
	var known []tracking.CommitTime
	for _, c := range all[max(len(all)-MaxCommits, 0):] {
		if name, at := sha(c.ID), c.Timestamp.pointer(); name != nil && at != nil {
			known = append(known, tracking.CommitTime{SHA: *name, At: *at})
		}
	}
	return known
}

// describe adds to a run the commit that it ran for.
func describe(run *tracking.RunFields, head string, c *commit) []tracking.CommitTime {
	run.CommitSHA = sha(head)
	if c == nil || run.CommitSHA == nil || !strings.EqualFold(c.ID, head) {
		return nil
	}
	run.CommittedAt = c.Timestamp.pointer()
	return commits([]commit{*c})
}

// deploys reports whether a workflow, by its name or its file, is the one whose
// runs are deployments. Files come as "deploy.yml", ".github/workflows/deploy.yml"
// and "deploy.yml@refs/heads/main".
func (s Source) deploys(name, file string) bool {
	if s.DeploymentWorkflow == "" {
		return false
	}
	file, _, _ = strings.Cut(file, "@")
	return s.DeploymentWorkflow == name || s.DeploymentWorkflow == path.Base(file)
}
