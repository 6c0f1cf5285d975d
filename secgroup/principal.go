// SPDX-License-Identifier: Apache-2.0

package secgroup

import "time"

// Root is the user name that stands for an account itself.
const Root = "root"

// User is a person or a program of an account. What it may do is in its policies
// (docs/spec/ec2-api.md section 11.5).
type User struct {
	Account  string    `json:"account"`
	Name     string    `json:"name"`
	ID       string    `json:"id"`                 // AIDA…
	Policies []string  `json:"policies,omitempty"` // names; none allow nothing
	Created  time.Time `json:"created"`
}

// Role is what principals become for a while when its trust policy lets them.
type Role struct {
	Account    string    `json:"account"`
	Name       string    `json:"name"`
	ID         string    `json:"id"`    // AROA…
	Trust      string    `json:"trust"` // policy document
	Policies   []string  `json:"policies,omitempty"`
	MaxSession int       `json:"maxSession"` // seconds
	Created    time.Time `json:"created"`
}

// PolicyDocument is a policy of an account under its name. It holds for those
// whose Policies name it.
type PolicyDocument struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Text    string    `json:"text"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
}

// ARN returns the role's name as policies and AssumeRole spell it.
func (r *Role) ARN() string { return "arn:aws:iam::" + r.Account + ":role/" + r.Name }

// ARN returns the policy's name as AssumeRole spells it.
func (d *PolicyDocument) ARN() string { return "arn:aws:iam::" + d.Account + ":policy/" + d.Name }
