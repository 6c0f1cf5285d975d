// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Authorizer asks the policies of a caller about every resource that a call
// touches (docs/spec/ec2-api.md section 11.5).
type Authorizer struct {
	control *control.Service
}

// NewAuthorizer returns the Authorizer of EC2's operations.
func NewAuthorizer(c *control.Service) *Authorizer { return &Authorizer{c} }

// Authorize implements awsapi.Authorizer.
func (a *Authorizer) Authorize(_ context.Context, c *awsapi.Call, in any) error {
	if a.control.Suspended(c.Account) {
		return secgroup.Errorf("Blocked", "This account is currently blocked.")
	}
	scope := c.Scope()
	about := c.Circumstances()
	about.Add("ec2:Region", c.Region)
	var requests []access.Request
	for _, t := range touched(a.control.Read(), scope, c.Action, in) {
		r := access.Request{Action: "ec2:" + t.action, Resource: t.arn, Context: access.Context{}}
		for key, values := range about {
			r.Context[key] = values
		}
		t.describe(r.Context, scope)
		requests = append(requests, r)
		if t.action == c.Action {
			c.Resources = append(c.Resources, t.arn)
		}
	}
	refusal := a.control.Judge(c.Actor(), requests)
	if refusal == nil {
		return nil
	}
	return secgroup.Errorf("UnauthorizedOperation",
		"You are not authorized to perform this operation. %s. Encoded authorization failure message: %s",
		refusal.Sentence(), a.control.Encode(refusal))
}

// touch is one action on one resource.
type touch struct {
	action  string // of EC2, without its prefix
	arn     string // or "*"
	account string // that owns the resource, "" when nobody in particular does
	facts   control.Facts
	request secgroup.Tags // that the call puts on it
	keys    []string      // of tags that the call takes from it
	during  string        // the action that puts the tags on
}

// describe adds what conditions may ask about the resource and the tags.
func (t *touch) describe(c access.Context, scope secgroup.Scope) {
	if t.account != "" {
		c.Add("aws:ResourceAccount", t.account)
	}
	for _, tag := range t.facts.Tags {
		c.Add("ec2:ResourceTag/"+tag.Key, tag.Value)
		c.Add("aws:ResourceTag/"+tag.Key, tag.Value)
	}
	for _, tag := range t.request {
		c.Add("aws:RequestTag/"+tag.Key, tag.Value)
		c.Add("aws:TagKeys", tag.Key)
	}
	if len(t.keys) > 0 {
		c.Add("aws:TagKeys", t.keys...)
	}
	if t.facts.VPC != "" {
		c.Add("ec2:Vpc", arn(scope, control.VPCType, t.facts.VPC))
	}
	if t.facts.Subnet != "" {
		c.Add("ec2:Subnet", arn(scope, control.SubnetType, t.facts.Subnet))
	}
	if t.during != "" {
		c.Add("ec2:CreateAction", t.during)
	}
}
