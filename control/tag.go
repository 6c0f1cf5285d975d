// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// CreateTags adds the tags to every resource named, or to none
// (docs/spec/ec2-api.md section 10).
//
// Errors: InvalidID, the not-found error of each resource type, TagLimitExceeded.
func (s *Service) CreateTags(ctx context.Context, caller Caller, ids []string, tags secgroup.Tags) error {
	return s.retag(ctx, caller, ids, func(old secgroup.Tags) (secgroup.Tags, error) {
		next := old.With(tags...)
		return next, s.checkTagCount(next)
	})
}

// TagRemoval names a tag to remove: with a Value only if the tag has that value,
// without one whatever it has. Reserved tags stay.
type TagRemoval struct {
	Key   string
	Value *string
}

// DeleteTags removes tags from every resource named, or from none: those that
// match a removal, or all when there is no removal. Tags that are not there are
// no error.
//
// Errors: InvalidID, the not-found error of each resource type.
func (s *Service) DeleteTags(ctx context.Context, caller Caller, ids []string, removals []TagRemoval) error {
	return s.retag(ctx, caller, ids, func(old secgroup.Tags) (secgroup.Tags, error) {
		return old.Without(func(t secgroup.Tag) bool {
			return !t.Reserved() && (len(removals) == 0 || slices.ContainsFunc(removals, func(r TagRemoval) bool {
				return r.Key == t.Key && (r.Value == nil || *r.Value == t.Value)
			}))
		}), nil
	})
}

// retag changes the tags of each resource named. All of them must exist before
// any is changed.
func (s *Service) retag(ctx context.Context, caller Caller, ids []string, change func(secgroup.Tags) (secgroup.Tags, error)) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		for _, existing := range []bool{true, false} { // look first, then change
			for _, id := range ids {
				kind, err := taggableOf(id)
				if err != nil {
					return err
				}
				tags, put, ok := kind.find(tx, caller.Scope, id)
				if !ok {
					return kind.unknown(id)
				}
				if existing {
					continue
				}
				next, err := change(tags)
				if err != nil {
					return err
				}
				if !slices.Equal(next, tags) {
					put(next)
				}
			}
		}
		return nil
	})
}

// TaggedResource is one tag of one resource.
type TaggedResource struct {
	ID   string
	Type string // e.g. "security-group"
	secgroup.Tag
}

// TaggedResources returns every tag in the scope, ordered by resource and then
// as inserted.
func TaggedResources(snap *model.Snapshot, scope secgroup.Scope) []TaggedResource {
	var all []TaggedResource
	for i := range taggables {
		taggables[i].each(snap, scope, func(id string, tags secgroup.Tags) {
			for _, tag := range tags {
				all = append(all, TaggedResource{id, taggables[i].kind, tag})
			}
		})
	}
	slices.SortStableFunc(all, func(a, b TaggedResource) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
