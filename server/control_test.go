package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// TestARefusalOfTheSocketIsTheErrorThatItWas: whoever asks the server ends as who
// does it himself, and learns nothing of a defect but that it is one.
func TestARefusalOfTheSocketIsTheErrorThatItWas(t *testing.T) {
	tenant := tenancy.NewID()
	for name, test := range map[string]struct{ sent, want error }{
		"a full disk":    {problem.Wrap(io.ErrShortWrite, problem.StorageFull, "The disk is full."), problem.New(problem.StorageFull, "The disk is full.")},
		"not there":      {problem.New(problem.NotFound, "There is no tenant x."), problem.New(problem.NotFound, "There is no tenant x.")},
		"under way":      {fmt.Errorf("x: %w", problem.New(problem.Conflict, "Another.")), problem.New(problem.Conflict, "Another.")},
		"stopping":       {problem.New(problem.Unavailable, "Later."), problem.New(problem.Unavailable, "Later.")},
		"a limit":        {&problem.Error{Code: problem.LimitReached, Detail: "d", Limit: &problem.Limit{Resource: "members", Limit: 1, Current: 2}}, &problem.Error{Code: problem.LimitReached, Detail: "d", Limit: &problem.Limit{Resource: "members", Limit: 1, Current: 2}}},
		"wrong values":   {&problem.Error{Code: problem.Validation, Violations: []problem.Violation{{Location: "query.x", Message: "y"}}, Detail: "d"}, &problem.Error{Code: problem.Validation, Violations: []problem.Violation{{Location: "query.x", Message: "y"}}, Detail: "d"}},
		"a broken trail": {fmt.Errorf("x: %w", &audit.Fault{Tenant: &tenant, Sequence: 3, Reason: "it is missing"}), &audit.Fault{Tenant: &tenant, Sequence: 3, Reason: "it is missing"}},
		"a defect":       {errors.New("secret"), problem.New(problem.Internal, "Internal error. The server's log says why.")},
	} {
		answer := httptest.NewRecorder()
		sendRefusal(answer, test.sent)
		response := answer.Result()
		if status := classOf(problem.CodeOf(test.sent)).status; response.StatusCode != status {
			t.Errorf("%s: answered %d, want %d", name, response.StatusCode, status)
		}
		if diff := gocmp.Diff(test.want, ReadRefusal(response)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAnAnswerThatIsNoRefusalIsShown: /readyz has a form of its own.
func TestAnAnswerThatIsNoRefusalIsShown(t *testing.T) {
	for _, media := range []string{"application/json", "application/problem+json"} {
		response := &http.Response{Status: "503 Service Unavailable", StatusCode: 503, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(strings.NewReader("the disk is full"))}
		err := ReadRefusal(response)
		if err == nil || err.Error() != "the server answered 503 Service Unavailable: the disk is full" {
			t.Errorf("%s: got %v", media, err)
		}
	}
}
