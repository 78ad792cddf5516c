#!/usr/bin/env bash
# Checks that every relative link of the documentation leads somewhere: its file
# exists and, in a page, its heading too. Run by ctest.
#
#   tests/house/links.sh [ROOT]         ROOT: the tree to check, default ours
set -uo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2

# anchors FILE: prints the anchors of its headings, as GitHub makes them.
anchors() {
  sed -n '/^```/,/^```/d; s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' |
    sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

broken=0
links=0
while IFS= read -r page; do
  folder=$(dirname "$page")
  while IFS= read -r link; do
    [[ $link == *://* || $link == mailto:* ]] && continue
    links=$((links + 1))
    file=${link%%#*}
    path=$folder/$file
    [[ -n $file ]] || path=$page
    if [[ ! -e $path ]]; then
      printf '%s: no such file: %s\n' "$page" "$link"
      broken=$((broken + 1))
    elif [[ $link == *#* && $path == *.md ]] &&
      ! anchors "$path" | grep -qxF -- "${link#*#}"; then
      printf '%s: no such heading: %s\n' "$page" "$link"
      broken=$((broken + 1))
    fi
  done < <(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^) ]+\)' |
    sed 's/^](//; s/)$//')
done < <(find README.md CONTRIBUTING.md CHANGELOG.md docs examples .github \
  -name '*.md' 2>/dev/null | sort)
((broken == 0)) || exit 1
((links > 0)) || { echo "no links found" && exit 1; }
printf 'all %d links lead somewhere\n' "$links"
