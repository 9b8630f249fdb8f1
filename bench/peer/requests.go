package peer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"maestro/bench/load"
)

// ListSize is how many projects a list returns.
const ListSize = 50

const records = "/api/collections/projects/records"

// View reads a random project of a random tenant.
func (p *Population) View() load.Next {
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		tenant := &p.Tenants[random.IntN(len(p.Tenants))]
		id := tenant.Projects[random.IntN(len(tenant.Projects))]
		return load.AppendRequest(buf, "GET", records+"/"+id, tenant.Token, nil)
	}
}

// List reads the newest projects of a random tenant, without their total. It names
// the tenant although the rule does: the peer compares with COALESCE in a rule,
// which no index serves (7 lists a second), and plainly in a filter.
func (p *Population) List() load.Next {
	paths := make([]string, len(p.Tenants))
	for i, tenant := range p.Tenants {
		paths[i] = fmt.Sprintf("%s?perPage=%d&skipTotal=1&sort=-created&filter=(tenant='%s')", records, ListSize, tenant.ID)
	}
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		i := random.IntN(len(p.Tenants))
		return load.AppendRequest(buf, "GET", paths[i], p.Tenants[i].Token, nil)
	}
}

// Create creates projects in random tenants, each with a name of its own.
func (p *Population) Create() load.Next {
	var made atomic.Int64
	return func(_ int, random *rand.Rand, buf []byte) []byte {
		tenant := &p.Tenants[random.IntN(len(p.Tenants))]
		body, err := json.Marshal(map[string]any{
			"tenant": tenant.ID, "name": fmt.Sprintf("Created %d", made.Add(1)),
			"description": "Forecasts the demand of each store for the next four weeks.", "problem_class": "forecasting",
			"status": "active", "complexity_score": 40, "team_size": 4, "metadata": map[string]any{},
		})
		if err != nil {
			panic("a map of plain values always encodes: " + err.Error())
		}
		return load.AppendRequest(buf, "POST", records, tenant.Token, body)
	}
}
