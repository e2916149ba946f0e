/* Style and script of the pages. */
#include "commands/html.h"

/* Tiles are light in both modes, so that dark letters on them can always be read. */
const char page_style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1d2329;--soft:#57606a;--line:#d0d7de;--card:#f3f5f8;--bar:#1f6fb2;"
    "--need:#1f6fb2;--save:#bcd9ef;--rest:#8a94a0}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--fg:#e6edf3;--soft:#a3adb8;--line:#343b44;--card:#181d24;"
    "--bar:#5fb0f0;--need:#5fb0f0;--save:#284a66;--rest:#6d7782}}\n"
    "*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1120px;padding:1.2em 20px "
    "4em;color:var(--fg);background:var(--bg)}\n"
    "h1{font-size:1.5em;margin:.2em 0;overflow-wrap:anywhere}h2{font-size:1.15em;margin:2em 0 .3em}p{margin:.4em 0;"
    "max-width:75ch}.soft,figcaption{color:var(--soft)}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:10px;margin:1em 0;padding:0}.cards "
    "div{background:var(--card);border-radius:"
    "8px;padding:10px 16px;flex:1 1 130px}.cards dt{color:var(--soft);font-size:13px}.cards "
    "dd{margin:0;font-size:1.3em;font-weight:600}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:3px 8px;border-bottom:1px solid "
    "var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left;white-space:normal;overflow-wrap:"
    "anywhere;min-width:12em}th{font-weight:600;color:var(--soft)}caption{text-align:left}.scroll{overflow-x:auto}\n"
    "th button{all:unset;cursor:pointer}th button:focus-visible,summary:focus-visible,input:focus-visible{outline:2px "
    "solid var(--bar);outline-offset:2px}\n"
    "summary{cursor:pointer;padding:4px 0;overflow-wrap:anywhere}details{border-bottom:1px solid "
    "var(--line)}#filter{font:inherit;width:100%;max-width:30em;padding:6px 10px;margin:.5em "
    "0;color:inherit;background:"
    "var(--card);border:1px solid var(--rest);border-radius:6px}\n";

const char page_style_more[] =
    ".map{position:relative;width:100%;aspect-ratio:1080/600;background:var(--card);font-size:11px;line-height:1.15}"
    ".map div{position:absolute;overflow:hidden;border:1px solid var(--bg)}.map .group{background:var(--card);border-"
    "color:var(--rest)}.map .group>b{display:block;height:16px;padding:1px 4px;font-weight:600;white-space:nowrap;"
    "overflow:hidden;text-overflow:ellipsis}.map .in{inset:16px 1px 1px 1px;border:0;width:auto;height:auto}"
    ".map .tile{color:#111;padding:1px 3px;white-space:nowrap;text-overflow:ellipsis}\n"
    "@media(max-width:600px){.map{aspect-ratio:3/4;font-size:10px}}\n"
    "label{margin-right:1em}.legend span{margin-right:1em;white-space:nowrap}.legend i{display:inline-block;width:14px;"
    "height:14px;border:1px solid var(--rest);vertical-align:-2px;margin-right:5px}\n"
    "#by-type:checked~.by-share,#by-share:checked~.by-type{display:none}\n"
    "#by-type:checked~* .t0,.by-type .t0{background:#9ecbf0}#by-type:checked~* .t1,.by-type .t1{background:#f7c99b}"
    "#by-type:checked~* .t2,.by-type .t2{background:#a9dcb0}#by-type:checked~* .t3,.by-type .t3{background:#d9b8ea}"
    "#by-type:checked~* .t4,.by-type .t4{background:#f2b3b3}#by-type:checked~* .t5,.by-type .t5{background:#e6dc8c}"
    "#by-type:checked~* .t6,.by-type .t6{background:#9fdcdc}#by-type:checked~* .t7,.by-type .t7{background:#c9cdd2}\n"
    "#by-share:checked~* .s0,.by-share .s0{background:#5cc59c}#by-share:checked~* .s1,.by-share .s1{background:#98d8a4}"
    "#by-share:checked~* .s2,.by-share .s2{background:#d5e99f}#by-share:checked~* .s3,.by-share .s3{background:#f8dd8f}"
    "#by-share:checked~* .s4,.by-share .s4{background:#f5b47f}#by-share:checked~* .s5,.by-share "
    ".s5{background:#e89a94}\n"
    ".roles{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:16px}figure{margin:0;background:"
    "var(--card);border-radius:8px;padding:10px}figcaption{font-size:13px;overflow-wrap:anywhere}figcaption "
    "b{color:var(--fg)}svg{width:100%;height:auto}svg rect{fill:var(--bar)}svg text{font-size:9px;fill:var(--soft)}\n"
    ".bits{display:flex;position:relative;height:12px;margin:4px 0;background:var(--save)}.bits "
    "i{background:var(--need);border-right:1px solid var(--bg)}.bits .raw{background:var(--rest)}.bits "
    "u{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--fg)}\n"
    ".pair{min-width:8em}.pair i{display:block;height:6px;margin:1px 0;background:var(--rest)}.pair "
    ".b{background:var(--bar)}td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}\n"
    "@media "
    "print{body{max-width:none}#filter,input,label{display:none}.map{break-inside:avoid;print-color-adjust:exact}"
    "details>*{display:block}}\n";

/* The page works without: then the field stays hidden, and the columns are not sorted. */
const char page_script[] =
    "const field=document.getElementById('filter'),groups=[...document.querySelectorAll('#tensors details')];"
    "field.hidden=false;"
    "field.addEventListener('input',()=>{const wanted=field.value.toLowerCase();for(const group of groups){let "
    "any=false;"
    "for(const row of group.querySelectorAll('tbody tr')){row.hidden=!row.cells[0].textContent.toLowerCase()."
    "includes(wanted);any=any||!row.hidden}group.hidden=!any;if(wanted)group.open=any}});"
    "for(const head of document.querySelectorAll('#tensors th')){const button=document.createElement('button');"
    "button.textContent=head.textContent;head.textContent='';head.append(button);"
    "button.addEventListener('click',()=>{const down=head.getAttribute('aria-sort')!=='descending',at=head.cellIndex,"
    "body=head.closest('table').tBodies[0],key=row=>row.cells[at].dataset.n??row.cells[at].textContent;"
    "for(const other of head.parentNode.cells)other.removeAttribute('aria-sort');"
    "head.setAttribute('aria-sort',down?'descending':'ascending');"
    "body.append(...[...body.rows].sort((a,b)=>{const x=key(a),y=key(b),order=isNaN(x)||isNaN(y)?"
    "String(x).localeCompare(String(y),undefined,{numeric:true}):x-y;return down?-order:order}))})}";

/* Base64 of the script's SHA-256. */
const char page_script_hash[] = "7fY8jPzqwZnbYh7hGzuI/QHkQyiig7iN86V9fHtMXOE=";
