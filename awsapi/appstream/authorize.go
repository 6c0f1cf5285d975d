// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Authorizer asks the policies of a caller about every resource that a call
// names.
type Authorizer struct {
	control *control.Service
}

// NewAuthorizer returns the Authorizer of AppStream's operations.
func NewAuthorizer(c *control.Service) *Authorizer { return &Authorizer{c} }

// named says of which kind the resources are that a request names in Name or
// Names. Requests that are not here name theirs otherwise, or none.
var named = map[string]string{
	"CreateFleet": "fleet", "UpdateFleet": "fleet", "StartFleet": "fleet", "StopFleet": "fleet", "DeleteFleet": "fleet", "DescribeFleets": "fleet",
	"CreateStack": "stack", "UpdateStack": "stack", "DeleteStack": "stack", "DescribeStacks": "stack",
	"CreateImageBuilder": "image-builder", "StartImageBuilder": "image-builder", "StopImageBuilder": "image-builder",
	"DeleteImageBuilder": "image-builder", "DescribeImageBuilders": "image-builder", "CreateImageBuilderStreamingURL": "image-builder",
	"CreateAppBlockBuilder": "app-block-builder", "UpdateAppBlockBuilder": "app-block-builder", "StartAppBlockBuilder": "app-block-builder",
	"StopAppBlockBuilder": "app-block-builder", "DeleteAppBlockBuilder": "app-block-builder", "DescribeAppBlockBuilders": "app-block-builder",
}

// forActiveAccounts are the operations that a suspended account cannot call, by
// the model's lists of errors (docs/spec/appstream.md section 2.3).
var forActiveAccounts = []string{
	"CreateFleet", "UpdateFleet", "StartFleet", "CreateImageBuilder", "StartImageBuilder", "CreateAppBlockBuilder", "UpdateAppBlockBuilder",
	"StartAppBlockBuilder", "CreateStack", "UpdateStack", "AssociateFleet", "TagResource", "CreateDirectoryConfig",
}

// Authorize implements awsapi.Authorizer.
func (a *Authorizer) Authorize(_ context.Context, c *awsapi.Call, in any) error {
	if slices.Contains(forActiveAccounts, c.Action) && a.control.Suspended(c.Account) {
		return secgroup.Errorf("InvalidAccountStatusException", "The account %s is suspended.", c.Account)
	}
	scope, v := c.Scope(), reflect.ValueOf(in).Elem()
	c.Resources = touched(scope, c.Action, v)
	about := c.Circumstances()
	if f := v.FieldByName("Tags"); f.IsValid() {
		for _, key := range f.MapKeys() {
			about.Add("aws:RequestTag/"+key.String(), f.MapIndex(key).String())
			about.Add("aws:TagKeys", key.String())
		}
	}
	if f := v.FieldByName("TagKeys"); f.IsValid() && f.Len() > 0 {
		about.Add("aws:TagKeys", f.Interface().([]string)...)
	}
	snap := a.control.Read()
	var requests []access.Request
	for _, arn := range c.Resources {
		r := access.Request{Action: "appstream:" + c.Action, Resource: arn, Context: maps.Clone(about)}
		tags, err := control.StreamingTags(snap, scope, arn)
		if err != nil {
			tags = nil // what does not exist has no tags
		}
		for _, t := range tags {
			r.Context.Add("aws:ResourceTag/"+t.Key, t.Value)
		}
		requests = append(requests, r)
	}
	if refusal := a.control.Judge(c.Actor(), requests); refusal != nil {
		return secgroup.Errorf("AccessDeniedException", "%s", refusal.Sentence())
	}
	return nil
}

// touched returns the ARNs of what a request names, "*" for nothing in
// particular.
func touched(scope secgroup.Scope, action string, v reflect.Value) []string {
	var arns []string
	add := func(kind string, names ...string) {
		for _, n := range names {
			arns = append(arns, control.StreamingARN(scope, kind, n))
		}
	}
	one := func(field string) []string {
		if f := v.FieldByName(field); f.IsValid() && !f.IsNil() {
			return []string{f.Elem().String()}
		}
		return nil
	}
	if kind := named[action]; kind != "" {
		names := one("Name")
		if f := v.FieldByName("Names"); f.IsValid() {
			if names = slices.Clone(f.Interface().([]string)); len(names) == 0 {
				names = []string{"*"}
			}
		}
		add(kind, names...)
	}
	add(string(secgroup.FleetKind), one("FleetName")...)
	add(control.StackKind, one("StackName")...)
	arns = append(arns, one("ResourceArn")...)
	for _, name := range one("ImageName") {
		arns = append(arns, (&control.StreamingImage{Name: name}).ARN(scope.Region))
	}
	arns = append(arns, one("ImageArn")...)
	if len(arns) == 0 {
		return []string{"*"}
	}
	return arns
}
