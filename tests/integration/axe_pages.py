#!/usr/bin/env python3
"""axe-core on the pages of `zipnn inspect --html` and `zipnn chain DIR inspect --html`, in headless Chromium: light and
dark, at the widths of a phone, a tablet and a desk. Exits with 77 if Chromium is not there.

    axe_pages.py ZIPNN AXE_SCRIPT
"""

import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from urllib.parse import unquote

WIDTHS = (390, 820, 1400)
END = "zipnn-axe-end"


def model(path: pathlib.Path, n_layers: int, dtype: str, metadata: dict[str, str]) -> None:
    """A safetensors file of layers, with names and values that try to become markup."""
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    names = [f"model.layers.{i}.{role}.weight" for i in range(n_layers) for role in ("self_attn.q_proj", "mlp.up_proj")]
    for name in [*names, "lm_head", "<b>odd & \"quoted\"", "x" * 120]:
        header[name] = {"dtype": dtype, "shape": [64, 32], "data_offsets": [at, at + 4096]}
        at += 4096
    head = json.dumps(header).encode()
    words = b"".join(struct.pack("<H", 0x3C00 | (i * 2654435761 >> 13) & 0x1FF) for i in range(at // 2))
    path.write_bytes(struct.pack("<Q", len(head)) + head + words)


def with_axe(page: str, axe: str) -> str:
    """The page with axe in it. Its rule against foreign scripts is taken out of this copy; everything is unfolded."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    run = """
for (const d of document.querySelectorAll('details')) d.open = true;
axe.run(document, {resultTypes: ['violations']}).then(found => {
    const places = v => v.nodes.slice(0, 3).map(n => n.html.slice(0, 200));
    const text = JSON.stringify(found.violations.map(v => [v.id, v.impact, v.help, places(v)]));
    const at = document.createElement('pre');
    at.id = 'zipnn-axe';
    at.textContent = encodeURIComponent(text) + 'END';
    document.body.append(at);
});""".replace("END", END)
    return page.replace("</body>", f"<script>{axe}</script><script>{run}</script></body>")


def look(chromium: str, page: pathlib.Path, width: int, dark: bool, profile: pathlib.Path) -> list[object]:
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={profile}", f"--window-size={width},900", "--virtual-time-budget=60000", "--dump-dom"]
    if dark:
        command.append("--blink-settings=preferredColorScheme=0")
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r'<pre id="zipnn-axe">([^<]*)' + END, done.stdout)
    if not found:
        raise RuntimeError(f"axe did not end on {page.name} at {width}: {done.stderr[-500:]}")
    result = json.loads(unquote(found.group(1)))
    assert isinstance(result, list)
    return result


def main() -> int:
    zipnn, axe = sys.argv[1], pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        print("axe: skipped: Chromium is not there (Debian: apt-get install chromium)")
        return 77
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model(folder / "a", 12, "BF16", {"format": "pt", "note": "<i>x</i> " * 50})
        model(folder / "b", 10, "F16", {})
        subprocess.run([zipnn, "-q", "a"], cwd=folder, check=True)
        subprocess.run([zipnn, "-q", "chain", "run", "add", "a", "b"], cwd=folder, check=True)
        pages = {
            "archive": ["inspect", "a.znn"],
            "model": ["inspect", "b"],
            "two": ["inspect", "a.znn", "b"],
            "run": ["chain", "run", "inspect"],
        }
        for page, words in pages.items():
            out = folder / f"{page}.html"
            subprocess.run([zipnn, *words, "--html", str(out)], cwd=folder, check=True)
            out.write_text(with_axe(out.read_text(encoding="utf-8"), axe), encoding="utf-8")
            for width in WIDTHS:
                for dark in (False, True):
                    for rule in look(chromium, out, width, dark, folder / "profile"):
                        failures += 1
                        print(f"axe: {page}, {width} wide, {'dark' if dark else 'light'}: {rule}")
    print(f"axe: {len(pages)} pages at {len(WIDTHS)} widths, light and dark: {failures} violations")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
