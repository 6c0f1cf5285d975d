// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"fmt"
	"time"
)

// AuditRecord is what is kept of one call: who asked for what, and what came of
// it (docs/spec/ec2-api.md section 11.5). It holds no parameters and no secrets.
type AuditRecord struct {
	Time      time.Time `json:"time"`
	Request   string    `json:"request"`
	Source    string    `json:"source"`              // address of the client
	Principal string    `json:"principal,omitempty"` // ARN; absent when the signature was not good
	AccessKey string    `json:"accessKey,omitempty"`
	Service   string    `json:"service,omitempty"`
	Action    string    `json:"action,omitempty"`
	Region    string    `json:"region,omitempty"`
	Resources []string  `json:"resources,omitempty"` // ARNs or "*"; absent when the call did not come as far as that
	Code      string    `json:"code"`                // "ok" or that of the refusal
}

// Auditor keeps AuditRecords. Calls go on whatever becomes of the records: it is
// the Auditor's business to tell the operator when it cannot keep them.
type Auditor interface {
	Audit(AuditRecord)
}

// The most that one record says about resources.
const (
	maxAudited     = 100
	maxAuditedName = 256 // characters
)

// audit hands the record of a call on.
func (s *Server) audit(a *answer, code string) {
	if s.Audit == nil {
		return
	}
	r := AuditRecord{
		Time: s.Now().UTC(), Request: a.RequestID, Principal: a.ARN, AccessKey: a.AccessKey,
		Service: a.Service, Action: show(a.Action), Region: a.Region, Code: code,
	}
	if a.Source.IsValid() {
		r.Source = a.Source.String()
	}
	for i, name := range a.Resources {
		if i == maxAudited {
			r.Resources = append(r.Resources, fmt.Sprintf("and %d more", len(a.Resources)-i))
			break
		}
		r.Resources = append(r.Resources, fmt.Sprintf("%.*s", maxAuditedName, name))
	}
	s.Audit.Audit(r)
}
