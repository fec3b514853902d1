// Health over HTTP, for probes: /livez and /readyz

package cluster

import (
	"encoding/json"
	"net/http"
	"path"
	"time"
)

// ServeHTTP answers a probe with h, as [Node.HealthHandler] says.
func (h Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	var good bool
	switch path.Base(r.URL.Path) {
	case "livez":
		good = h.Why != NodeEnded || h.Error == ""
	case "readyz":
		good = h.Serving
	default:
		http.Error(w, "livez or readyz", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // the prober may have gone
}

// MarshalJSON writes durations in milliseconds, times in RFC 3339, and leaves out what
// does not apply.
func (h Health) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Node       string       `json:"node"`
		Serving    bool         `json:"serving"`
		Why        HealthReason `json:"why,omitempty"`
		Since      time.Time    `json:"since,omitzero"`
		Error      string       `json:"error,omitempty"`
		LeaseLeft  int64        `json:"lease_left_ms,omitempty"`
		LeaseEnded time.Time    `json:"lease_ended,omitzero"`
		Owned      int          `json:"shards_owned"`
		Wanted     int          `json:"shards_wanted"`
		Unreached  []string     `json:"unreachable,omitempty"`
		Stateless  int          `json:"shards_without_state,omitempty"`
		State      string       `json:"state_error,omitempty"`
	}{h.NodeID, h.Serving, h.Why, h.Since, h.Error, h.LeaseLeft.Milliseconds(), h.LeaseEnded, h.ShardsOwned, h.ShardsWanted, h.Unreachable, h.ShardsWithoutState, h.StateError})
}
