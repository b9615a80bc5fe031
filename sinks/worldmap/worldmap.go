// Package worldmap holds the outlines of the world's countries, projected and
// ready to be drawn as SVG paths.
//
// world.tsv is written by generate.go from the data set world-atlas 2.0.2
// (Natural Earth, public domain).
package worldmap

//go:generate go run generate.go

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

// Width and Height are the size of the drawing, in its own units: everything
// lies between (0, 0), top left, and (Width, Height).
const (
	Width  = 2000
	Height = 870
)

// The degrees of latitude that the drawing shows: Antarctica logs no flows.
const (
	north = 84
	south = -57
)

// Country is one country of the map.
type Country struct {
	Code string // ISO 3166-1 alpha-2; "" for a territory that has none
	Name string // in English
	Path string // the d of an SVG path; "" for a country too small for an outline
	X, Y int    // its middle
}

//go:embed world.tsv
var world string

// Countries returns all countries, by code. Not to be changed.
var Countries = sync.OnceValue(func() []Country {
	var all []Country
	for line := range strings.Lines(world) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		c := Country{Code: f[0], Name: f[1], Path: f[4]}
		var errX, errY error
		c.X, errX = strconv.Atoi(f[2])
		c.Y, errY = strconv.Atoi(f[3])
		if errX != nil || errY != nil {
			panic(fmt.Sprintf("worldmap: embedded world.tsv: line %q", line))
		}
		all = append(all, c)
	}
	return all
})

// byCode finds a country by its code.
var byCode = sync.OnceValue(func() map[string]string {
	m := make(map[string]string)
	for _, c := range Countries() {
		m[c.Code] = c.Name
	}
	return m
})

// Name returns the English name of the country with an ISO 3166-1 alpha-2 code,
// and the code itself where it is none.
func Name(code string) string {
	if name := byCode()[code]; name != "" && code != "" {
		return name
	}
	return code
}

// Project returns where a place lies in the drawing. Latitude and longitude are
// in degrees; what lies further north or south than the drawing shows is put
// on its edge. The projection is Equal Earth (Savric, Patterson and Jenny 2018),
// which keeps areas in proportion.
func Project(latitude, longitude float64) (x, y float64) {
	latitude = max(south, min(north, latitude))
	longitude = max(-180, min(180, longitude))
	ex, ey := equalEarth(latitude, longitude)
	right, _ := equalEarth(0, 180)
	_, top := equalEarth(north, 0)
	return Width/2 + ex/right*Width/2, (top - ey) / right * Width / 2
}

// equalEarth is the projection on a sphere of radius 1.
func equalEarth(latitude, longitude float64) (x, y float64) {
	const a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
	phi, lambda := latitude*math.Pi/180, longitude*math.Pi/180
	theta := math.Asin(math.Sqrt(3) / 2 * math.Sin(phi))
	t2 := theta * theta
	t6 := t2 * t2 * t2
	x = 2 * math.Sqrt(3) * lambda * math.Cos(theta) / (3 * (9*a4*t6*t2 + 7*a3*t6 + 3*a2*t2 + a1))
	y = theta * (a4*t6*t2 + a3*t6 + a2*t2 + a1)
	return x, y
}
