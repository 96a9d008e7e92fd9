// Package greeting knows how a user is greeted.
package greeting

import "strconv"

// For is the greeting for the user of that number.
func For(uid int) string {
	return "Hello from user " + strconv.Itoa(uid)
}
