package main

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
)

// heading is how the licenses of the built UI begin each package: its name, its
// version, and the license that it declares, if it does.
var heading = regexp.MustCompile(`^(@?[a-z0-9][^ ]*) (\d+\.\d+\.\d+[^ ]*)(?: \((.+)\))?$`)

// packagesOf lists the npm packages that are in the built web UI. Its build gathers
// their licenses from what the bundle really has, which a lock file does not say:
// that names the build's own tools as well.
func packagesOf(ui fs.FS) (found []component, err error) {
	text, err := fs.ReadFile(ui, "licenses.txt")
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(string(text), "\n"+strings.Repeat("-", 80)+"\n\n") {
		first, _, _ := strings.Cut(part, "\n")
		is := heading.FindStringSubmatch(first)
		if is == nil {
			return nil, errors.New("licenses.txt of the built UI has a part that names no package: " + first)
		}
		found = append(found, npm(is[1], is[2], is[3]))
	}
	return found, nil
}

// npm is a package of JavaScript that is in the binary.
func npm(name, version, declared string) component {
	c := component{Type: "library", Ref: "npm:" + name, Name: name, Version: version, PURL: "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version}
	if declared != "" {
		c.Licenses = []license{{declared}}
	}
	return c
}
