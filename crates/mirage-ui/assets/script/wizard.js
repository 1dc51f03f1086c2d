/* What a registry says comes while somebody types on: what they are typing into stays as it is. */
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const typing = document.activeElement?.matches("input:not([type=radio], [type=checkbox]), textarea, select");
  if (typing && event.detail.target.contains(document.activeElement)) event.detail.shouldSwap = false;
});
