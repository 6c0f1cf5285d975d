// SPDX-License-Identifier: Apache-2.0

package awsapi

import "time"

// Answered is one call that was answered, for those who count and trace. Nothing in it
// is made up by a client.
type Answered struct {
	Request   string // its id
	Service   string
	Operation string // empty: none of the service's
	Region    string // empty: the signature was not good
	Code      string // "ok" or that of the refusal
	Status    int    // of HTTP
	Began     time.Time
	Took      time.Duration
}

// count tells Called of an answered call.
func (s *Server) count(a *answer, code string, status int, began time.Time) {
	if s.Called == nil {
		return
	}
	c := Answered{Request: a.RequestID, Service: a.Service, Region: a.Region, Code: code, Status: status, Began: began, Took: time.Since(began)}
	if known := a.service.model.Operations[a.Action]; known != nil {
		c.Operation = known.Name
	}
	s.Called(c)
}
