// Making elements, since nothing of what the API tells may become markup.

export const $ = (id) => document.getElementById(id);

export function el(tag, { text, className, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Only what has changed is written: what is rewritten is read out again, and loses its selection.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A length, as a share of its track. Through the object model, which the page's policy lets us use.
export function long(element, share) {
  element.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element;
}
