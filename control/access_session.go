// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Session is what temporary credentials stand for. It travels sealed in its own
// token and is stored nowhere.
type Session struct {
	Role     string    `json:"r,omitempty"` // name; "" for a user's own session
	RoleID   string    `json:"i,omitempty"`
	Name     string    `json:"n,omitempty"` // of a role's session
	Policies []string  `json:"p,omitempty"` // documents that limit it
	Parent   string    `json:"f"`           // long-term key that it began with
	Issued   time.Time `json:"t"`
	Expires  time.Time `json:"e"`
}

// Credentials are what a client signs with for a while.
type Credentials struct {
	AccessKey, Secret, Token string
	Expires                  time.Time
}

// ticket is the content of a token.
type ticket struct {
	Session
	Key    string `json:"k"`
	Secret string `json:"s"`
	// Whose session it is.
	Account string `json:"a"`
	User    string `json:"u,omitempty"`
	UserID  string `json:"d"`
}

// parentOf returns the long-term key that an actor's credentials go back to.
func parentOf(who Actor) string {
	if who.Session != nil {
		return who.Session.Parent
	}
	return who.AccessKey
}

// issue makes credentials for a session of an account's user or role.
func (s *Service) issue(account, user, userID string, session Session, life time.Duration) (*Credentials, error) {
	session.Issued = s.now().UTC().Truncate(time.Second)
	session.Expires = session.Issued.Add(life)
	t := ticket{Session: session, Key: newKeyID(sessionKeyPrefix), Secret: newSecret(), Account: account, User: user, UserID: userID}
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("make a session of %s: %w", account, err)
	}
	token := base64.StdEncoding.EncodeToString(s.seal.Close(sessionPurpose+t.Key, plain))
	return &Credentials{AccessKey: t.Key, Secret: t.Secret, Token: token, Expires: session.Expires}, nil
}

// OpenSession returns the secret and the principal of temporary credentials; ok
// is false when the token is not for the key, or when the access key, the user or
// the role behind it is gone. Whether it has expired is for the caller to tell,
// after the signature was found good.
func (s *Service) OpenSession(key, token string) (secret string, who Actor, ok bool) {
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", Actor{}, false
	}
	plain, err := s.seal.Open(sessionPurpose+key, sealed)
	if err != nil {
		return "", Actor{}, false
	}
	var t ticket
	if err := json.Unmarshal(plain, &t); err != nil || t.Key != key {
		return "", Actor{}, false
	}
	snap := s.Read()
	if parent := snap.AccessKeys.Get(t.Parent); parent == nil || parent.Disabled {
		return "", Actor{}, false
	}
	who = Actor{Account: t.Account, User: t.User, UserID: t.UserID, AccessKey: key, Session: &t.Session}
	switch {
	case t.Role != "":
		if r := snap.Roles.Get(model.PrincipalID(t.Account, t.Role)); r == nil || r.ID != t.RoleID {
			return "", Actor{}, false
		}
		who.ARN = sessionARN(t.Account, t.Role, t.Name)
	default:
		if u := snap.Users.Get(model.PrincipalID(t.Account, t.User)); t.User != secgroup.Root && (u == nil || u.ID != t.UserID) {
			return "", Actor{}, false
		}
		who.ARN = (&secgroup.AccessKey{Account: t.Account, User: t.User}).ARN()
	}
	return t.Secret, who, true
}

func sessionARN(account, role, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
}
