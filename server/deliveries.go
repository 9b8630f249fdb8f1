package server

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking/delivery"
)

// deliveryPatience is how long the body of a delivery may take to come: providers
// themselves give up after 10 seconds.
const deliveryPatience = 10 * time.Second

// deliveryAnswer is the answer to a delivery that holds.
type deliveryAnswer struct {
	Outcome storage.Outcome `json:"outcome" enum:"recorded,repeated,stale,ignored" doc:"What became of it: recorded; repeated, it came before; stale, it reports something older than a week or than the restore of a backup; ignored, its event reports neither a run nor commits. Only recorded has an effect"`
}

// deliveryOperation describes a delivery, which the handler reads by itself.
func deliveryOperation(schemas huma.Registry) huma.Operation {
	return huma.Operation{
		Parameters: []*huma.Param{{Name: "hook_id", In: "path", Required: true, Description: "The hook", Schema: schemas.Schema(reflect.TypeFor[tenancy.ID](), true, "")}},
		RequestBody: &huma.RequestBody{Required: true, Description: "What the provider sends, or for a generic hook a run as recordPipelineRun takes it",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}}},
		Responses: map[string]*huma.Response{"202": {Description: "The delivery holds", Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(reflect.TypeFor[deliveryAnswer](), true, "")}}}},
	}
}

func (s *Server) deliver(c *gin.Context) {
	outcome, err := s.takeDelivery(c)
	if err != nil {
		refuse(c, err)
		return
	}
	c.Writer.Header()["Content-Type"] = []string{"application/json"}
	c.Status(http.StatusAccepted)
	_ = json.NewEncoder(c.Writer).Encode(deliveryAnswer{outcome}) // a sender that is gone needs no answer
}

// takeDelivery reads the whole body before it looks for the hook, so that what is
// wrong with a body says nothing of whether there is one.
func (s *Server) takeDelivery(c *gin.Context) (storage.Outcome, error) {
	r := c.Request
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(deliveryPatience)) // in tests there may be no connection
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err // under the deadline: what is left of the body is waited for before the answer
	}
	_ = control.SetReadDeadline(time.Time{})
	id, err := tenancy.ParseID(c.Param("hook_id"))
	if err != nil {
		id = tenancy.ID{} // no hook has it
	}
	header := func(name string) string {
		if values := r.Header.Values(name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	sender, hook, err := s.auth.AuthenticateDelivery(r.Context(), s.store, id, func(hook auth.HookState, secret []byte) bool {
		return delivery.Verify(hook.Provider, secret, header, content, s.now())
	})
	if err != nil {
		if code := problem.CodeOf(err); code == problem.Unauthenticated {
			s.store.CountDenial(r.Context(), audit.Denial{Action: audit.HookDeliver, Reason: string(code)})
		}
		return "", err
	}
	sender.Origin(&exchangeOf(r.Context()).origin)
	if err := s.limitCaller(&sender); err != nil {
		return "", err
	}
	d, err := delivery.Read(delivery.Source{Provider: hook.Provider, DeploymentWorkflow: hook.DeploymentWorkflow}, header, content)
	if err != nil {
		return "", err
	}
	outcome, err := s.store.Tenant(sender.Scope).Deliver(r.Context(), storage.Delivery{Hook: hook.ID, Project: hook.Project,
		Marks: delivery.Marks(hook.Provider, header, content), Run: d.Run, Commits: d.Commits, At: d.At})
	if problem.CodeOf(err) == problem.NotFound {
		err = auth.ErrDelivery // the hook was deleted meanwhile
	}
	return outcome, err
}
