// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

var errCut = errors.New("the connection was cut")

// TestLostAnswersAreFoundOut cuts the connection to etcd around a commit: before
// it gets there, after it was made, and so that it gets there after the next
// attempt. Each time the group is made once and answered as made.
func TestLostAnswersAreFoundOut(t *testing.T) {
	type commit = func(context.Context, []store.Guard, []store.Write) (int64, error)
	for _, c := range []struct {
		name string
		cut  func(s *Service, real commit) commit
	}{
		{"the request is lost", func(s *Service, real commit) commit {
			return func(context.Context, []store.Guard, []store.Write) (int64, error) {
				s.commitTo = real
				return 0, errCut
			}
		}},
		{"the answer is lost", func(s *Service, real commit) commit {
			return func(ctx context.Context, g []store.Guard, w []store.Write) (int64, error) {
				s.commitTo = real
				_, err := real(ctx, g, w)
				return 0, errors.Join(errCut, err)
			}
		}},
		{"the request is late", func(s *Service, real commit) commit {
			return func(ctx context.Context, g []store.Guard, w []store.Write) (int64, error) {
				s.commitTo = func(ctx context.Context, g2 []store.Guard, w2 []store.Write) (int64, error) {
					s.commitTo = real
					if _, err := real(ctx, g, w); err != nil { // it overtakes the second one
						return 0, err
					}
					return real(ctx, g2, w2)
				}
				return 0, errCut
			}
		}},
		{"the request comes after all", func(s *Service, real commit) commit {
			return func(ctx context.Context, g []store.Guard, w []store.Write) (int64, error) {
				s.commitTo = func(ctx context.Context, g2 []store.Guard, w2 []store.Write) (int64, error) {
					s.commitTo = real
					revision, err := real(ctx, g2, w2)
					if _, late := real(ctx, g, w); !errors.Is(late, store.ErrConflict) {
						t.Errorf("the first attempt after the second: %v", late)
					}
					return revision, err
				}
				return 0, errCut
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			s.commitTo = c.cut(s, s.commitTo)
			g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{Name: "once", Description: "x"})
			if err != nil {
				t.Fatal(err)
			}
			var found []*secgroup.Group
			for x := range s.Read().Groups.All() {
				if x.Name == "once" {
					found = append(found, x)
				}
			}
			if len(found) != 1 || found[0].ID != g.ID {
				t.Errorf("answered %s, there are %v", g.ID, found)
			}
		})
	}
}
