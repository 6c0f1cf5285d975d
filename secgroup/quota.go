// SPDX-License-Identifier: Apache-2.0

package secgroup

// Quotas are the limits of one account in one Region that are other than the
// installation's, by the name of the quota (docs/spec/ec2-api.md section 12).
type Quotas struct {
	Scope
	Values map[string]int `json:"values"`
}
