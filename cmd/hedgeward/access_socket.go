// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

// accessOrder is one command about accounts, users, keys, policies and roles on
// its way through the control socket. Which fields count is up to the verb.
type accessOrder struct {
	Verb     string        // "user create"
	Account  string        // "" is the account that the installation began with
	Name     string        // of what the verb is about
	User     string        // or Role: to whom
	Role     string        //
	Secret   string        // of an imported key
	Text     string        // of a policy, or to be decoded
	Policies []string      //
	Life     time.Duration // of a role's sessions; 0 is the default
}

// maxOrder is the longest accessOrder, in bytes.
const maxOrder = 1 << 20

// shownKey is an access key as operators see it: the secret once, when it is made.
type shownKey struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret,omitempty"`
	Account  string    `json:"account"`
	User     string    `json:"user"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

func showKey(k secgroup.AccessKey) shownKey {
	return shownKey{k.ID, k.Secret, k.Account, k.User, k.Disabled, k.Created}
}

// made returns an access key as it is shown to who asked for it.
func made(k *secgroup.AccessKey, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return showKey(*k), nil
}

// accessVerbs are what the server does for each verb.
var accessVerbs = map[string]func(context.Context, *control.Service, accessOrder) (any, error){
	"account create": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.CreateAccount(ctx, o.Name)
	},
	"account list": func(_ context.Context, c *control.Service, _ accessOrder) (any, error) { return c.Accounts(), nil },
	"account suspend": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.SuspendAccount(ctx, o.Name, true)
	},
	"account resume": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.SuspendAccount(ctx, o.Name, false)
	},
	"user create": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.CreateUser(ctx, o.Account, o.Name, o.Policies)
	},
	"user list": func(_ context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.Users(o.Account), nil
	},
	"user delete": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.DeleteUser(ctx, o.Account, o.Name)
	},
	"key create": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return made(c.CreateAccessKey(ctx, o.Account, o.User))
	},
	"key import": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return made(c.ImportAccessKey(ctx, o.Account, o.User, o.Name, o.Secret))
	},
	"key rotate": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return made(c.RotateAccessKey(ctx, o.Name))
	},
	"key disable": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.SetAccessKeyDisabled(ctx, o.Name, true)
	},
	"key enable": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.SetAccessKeyDisabled(ctx, o.Name, false)
	},
	"key delete": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.DeleteAccessKey(ctx, o.Name)
	},
	"key list": func(_ context.Context, c *control.Service, o accessOrder) (any, error) {
		shown := []shownKey{}
		for _, k := range c.AccessKeys(o.Account) {
			shown = append(shown, showKey(k))
		}
		return shown, nil
	},
	"policy put": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.PutPolicy(ctx, o.Account, o.Name, o.Text)
	},
	"policy delete": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.DeletePolicy(ctx, o.Account, o.Name)
	},
	"policy list": func(_ context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.Policies(o.Account), nil
	},
	"policy attach": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.AttachPolicy(ctx, control.Bearer{Account: o.Account, User: o.User, Role: o.Role}, o.Name)
	},
	"policy detach": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.DetachPolicy(ctx, control.Bearer{Account: o.Account, User: o.User, Role: o.Role}, o.Name)
	},
	"role create": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.CreateRole(ctx, o.Account, o.Name, o.Text, o.Policies, o.Life)
	},
	"role list": func(_ context.Context, c *control.Service, o accessOrder) (any, error) {
		return c.Roles(o.Account), nil
	},
	"role delete": func(ctx context.Context, c *control.Service, o accessOrder) (any, error) {
		return nil, c.DeleteRole(ctx, o.Account, o.Name)
	},
	"decode": func(_ context.Context, c *control.Service, o accessOrder) (any, error) { return c.Decode(o.Text) },
}

// serveAccess adds the verbs to the control socket. A verb without an account is
// about the first one; lists without one are about all.
func serveAccess(mux *http.ServeMux, service func() *control.Service) {
	serveOrders(mux, "/access", func(o accessOrder) (string, order) {
		do := accessVerbs[o.Verb]
		if do == nil {
			return o.Verb, nil
		}
		return o.Verb, func(ctx context.Context) (any, error) {
			c := service()
			if accounts := c.Accounts(); o.Account == "" && len(accounts) > 0 && !strings.HasSuffix(o.Verb, " list") {
				o.Account = accounts[0].ID
			}
			return do(ctx, c, o)
		}
	})
}

// Control implements operator.
func (in *installation) Control() *control.Service { return in.control }

// order sends a command to the server and returns what it answered, as JSON.
func (s *state) order(ctx context.Context, o accessOrder) (json.RawMessage, error) {
	answer, err := s.call(ctx, http.MethodPost, "/access", o)
	switch {
	case errors.Is(err, localhttp.ErrNobody):
		return nil, fmt.Errorf("no server runs on %s, and only a server changes who has access; run: hedgeward up", s.dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s is for root alone; run: sudo hedgeward access", s.socket())
	}
	return answer, err
}
