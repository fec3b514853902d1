// What tells the callers of calls that end together

package natstransport

import "github.com/clstr-go/clstr/outcome"

// decideAll tells the callers of calls that were taken, and returns when all know. If a sender has gone on, telling it may run
// code of the application, such as its metrics, and that code may end the goroutine. So those senders are told on another
// goroutine: the caller's own watches over a connection, or sends.
func decideAll(calls []*call, why func(*call) *outcome.Error) {
	var noted []*call
	for _, c := range calls {
		if c.told != nil {
			noted = append(noted, c)
			continue
		}
		c.decide(nil, why(c))
	}
	for len(noted) > 0 {
		over := make(chan struct{})
		go func() { // ends with the last, or where it is ended
			defer close(over)
			for len(noted) > 0 {
				c := noted[0]
				noted = noted[1:]
				c.decide(nil, why(c))
			}
		}()
		<-over
	}
}
