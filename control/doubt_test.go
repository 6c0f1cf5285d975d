// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"runtime"
	"slices"
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

// TestAChangeThatHasNotBegunIsLeftInTime: behind one that the store does not answer. Who
// leaves it gets no change, then or later; who waits for one that has begun learns what
// became of it, however long he has waited.
func TestAChangeThatHasNotBegunIsLeftInTime(t *testing.T) {
	s := newService(t)
	real := s.commitTo
	began, answer := make(chan struct{}, 10), make(chan struct{})
	s.commitTo = func(ctx context.Context, g []store.Guard, w []store.Write) (int64, error) {
		began <- struct{}{}
		<-answer
		return real(ctx, g, w)
	}
	create := func(ctx context.Context, name string) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := s.CreateSecurityGroup(ctx, alice, NewGroup{Name: name, Description: "x"})
			done <- err
		}()
		return done
	}
	enough := errors.New("it has waited long enough")
	ctx, leave := context.WithCancelCause(t.Context())
	first := create(ctx, "first")
	<-began
	second := create(ctx, "second")
	for len(s.queue) == 0 {
		runtime.Gosched()
	}
	leave(enough)
	if err := <-second; !errors.Is(err, enough) {
		t.Errorf("the change that has not begun is answered %v", err)
	}
	select {
	case err := <-first:
		t.Errorf("the change that has begun is answered %v before it is known", err)
	default:
	}
	close(answer)
	if err := <-first; err != nil {
		t.Errorf("the change that was made is answered %v", err)
	}
	if err := <-create(t.Context(), "third"); err != nil {
		t.Error(err)
	}
	var names []string
	for g := range s.Read().Groups.All() {
		if g.Name != "default" {
			names = append(names, g.Name)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"first", "third"}) {
		t.Errorf("there are the groups %v", names)
	}
}
