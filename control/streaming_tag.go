// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// StreamingARN returns the name of a fleet, builder or stack.
func StreamingARN(scope secgroup.Scope, kind, name string) string {
	return "arn:aws:appstream:" + scope.Region + ":" + scope.Account + ":" + kind + "/" + name
}

// StackKind is what ARNs call a stack; the others are their StreamingKind.
const StackKind = "stack"

// streamingTags finds the tags of what an ARN names in the scope, and a function
// that replaces them; ok is false when there is no such resource.
func streamingTags(tx *model.Tx, scope secgroup.Scope, arn string) (tags secgroup.Tags, put func(secgroup.Tags), ok bool) {
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	kind, name, _ := strings.Cut(resource, "/")
	if arn != StreamingARN(scope, kind, name) {
		return nil, nil, false
	}
	switch kind {
	case string(secgroup.FleetKind):
		if f := tx.Fleets.Get(model.StreamingName(scope, name)); f != nil {
			return f.Tags, func(t secgroup.Tags) { c := *f; c.Tags = t; tx.Fleets.Put(&c) }, true
		}
	case StackKind:
		if k := tx.Stacks.Get(model.StreamingName(scope, name)); k != nil {
			return k.Tags, func(t secgroup.Tags) { c := *k; c.Tags = t; tx.Stacks.Put(&c) }, true
		}
	case string(secgroup.ImageBuilderKind), string(secgroup.AppBlockBuilderKind):
		if b := tx.Builders.Get(model.BuilderID(scope, secgroup.StreamingKind(kind), name)); b != nil {
			return b.Tags, func(t secgroup.Tags) { c := *b; c.Tags = t; tx.Builders.Put(&c) }, true
		}
	}
	return nil, nil, false
}

// StreamingTags returns the tags of what an ARN names.
//
// Errors: ResourceNotFoundException.
func StreamingTags(snap *model.Snapshot, scope secgroup.Scope, arn string) (secgroup.Tags, error) {
	tags, _, ok := streamingTags(&model.Tx{Snapshot: snap}, scope, arn)
	if !ok {
		return nil, noStreamingResource(arn)
	}
	return tags, nil
}

func noStreamingResource(arn string) error {
	return secgroup.Errorf(streamNotFound, "The resource %s does not exist.", arn)
}

// RetagStreaming changes the tags of what an ARN names.
//
// Errors: ResourceNotFoundException, LimitExceededException.
func (s *Service) RetagStreaming(ctx context.Context, caller Caller, arn string, change func(secgroup.Tags) secgroup.Tags) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		tags, put, ok := streamingTags(tx, caller.Scope, arn)
		if !ok {
			return noStreamingResource(arn)
		}
		next := change(tags)
		if s.checkTagCount(next) != nil {
			return secgroup.Errorf(streamLimit, "A resource can have %d tags at most.", s.installed.TagsPerResource)
		}
		put(next)
		return nil
	})
}
