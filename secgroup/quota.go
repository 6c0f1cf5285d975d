// SPDX-License-Identifier: Apache-2.0

package secgroup

// TrackedFlowsQuota is the quota that takes the place of what instance types say
// of tracked flows. Hosts are told of it, so it has a name here.
const TrackedFlowsQuota = "tracked-flows-per-instance"

// Quotas are the limits of one account in one Region that are other than the
// installation's, by the name of the quota (docs/spec/ec2-api.md section 12).
type Quotas struct {
	Scope
	Values map[string]int `json:"values"`
}
